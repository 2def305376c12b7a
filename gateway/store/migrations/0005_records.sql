-- What is written down of calls, changes, refusals and log lines. Rows are only added, and dropped when their time is over.

-- Calls, those together that were alike: of one bucket, and written at once. A partition for each day (UTC) is made by whoever first writes into it; a day is dropped as a whole.
create table call_metric (
  at timestamptz not null,
  kind text not null,
  gateway_id text not null,
  gateway_slug text not null,
  -- The upstream's own name, or the URI, at most 256 characters.
  name text not null,
  -- Empty when the call came by no virtual server.
  server_id text not null,
  -- ok, tool_error, a fault's code or cancelled.
  outcome text not null,
  ms real not null,
  -- Of the histogram of durations; see gateway/telemetry/durations.ts.
  bucket smallint not null,
  -- How many; `ms` is their mean, and differs from none of them by more than a bucket is wide.
  calls integer not null default 1 check (calls > 0)
) partition by range (at);
create index call_metric_at on call_metric (at);
create index call_metric_item on call_metric (gateway_id, kind, name, at);

-- The same by the hour, added up.
create table call_metric_hour (
  hour timestamptz not null,
  kind text not null,
  gateway_id text not null,
  gateway_slug text not null,
  name text not null,
  server_id text not null,
  calls bigint not null,
  failures bigint not null,
  total_ms double precision not null,
  min_ms real not null,
  max_ms real not null,
  last_at timestamptz not null,
  -- Outcome → calls, bucket → calls.
  outcomes jsonb not null,
  buckets jsonb not null,
  primary key (hour, kind, gateway_id, name, server_id)
);
create index call_metric_hour_item on call_metric_hour (gateway_id, kind, name, hour) include (calls, failures, total_ms);
create index call_metric_hour_server on call_metric_hour (server_id, hour) where server_id <> '';

-- Up to where hours are added up. Its row is locked by whoever does it.
create table record_mark (
  name text primary key,
  at timestamptz not null
);
insert into record_mark (name, at) values ('call_metric_hour', '-infinity');

-- The newest batch of each writer, so that one whose answer was lost is not written twice.
create table record_batch (
  writer text primary key,
  batch bigint not null,
  at timestamptz not null default now()
);
create index record_batch_at on record_batch (at);

create table audit_row (
  id bigint generated always as identity primary key,
  -- One life of one worker, and the place in its chain, from 1 on.
  writer text not null,
  sequence bigint not null,
  at timestamptz not null,
  correlation_id text not null,
  principal text not null,
  principal_kind text not null,
  token_id text,
  remote text not null,
  method text not null,
  -- The route's id, or the method of MCP.
  action text not null,
  resource_type text not null,
  resource_id text,
  status integer not null,
  outcome text not null,
  -- JSON exactly as it was hashed, or null.
  change text,
  -- Rows that this writer could not keep before this one.
  dropped integer not null,
  -- Which key made the hash (HMAC-SHA-256, hexadecimal) over this row and the hash before it.
  key_id text not null,
  previous text not null,
  hash text not null,
  unique (writer, sequence)
);
create index audit_row_at on audit_row (at);
create index audit_row_principal on audit_row (principal, id);
create index audit_row_resource on audit_row (resource_type, resource_id, id);
create index audit_row_action on audit_row (action, id);
create index audit_row_correlation on audit_row (correlation_id, id);
create index audit_row_failed on audit_row (id) where outcome <> 'ok';

-- Where the chain of a writer begins after older rows were dropped: signed as rows are.
create table audit_anchor (
  writer text primary key,
  sequence bigint not null,
  hash text not null,
  key_id text not null,
  mac text not null,
  at timestamptz not null default now()
);

create function audit_row_keeps() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.at < now() - interval '1 day' then
    return old;
  end if;
  raise exception 'rows of the audit trail are only added' using errcode = 'restrict_violation';
end $$;
create trigger audit_row_keeps before update or delete on audit_row for each row execute function audit_row_keeps();

create table security_row (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  kind text not null,
  severity text not null,
  principal text,
  remote text not null,
  detail text not null,
  correlation_id text not null,
  -- Equal events that came soon after each other are one row.
  times integer not null
);
create index security_row_at on security_row (at);
create index security_row_kind on security_row (kind, id);
create index security_row_remote on security_row (remote, id);
create index security_row_high on security_row (id) where severity = 'high';

create table log_row (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  level text not null,
  event text not null,
  worker text,
  correlation_id text,
  fields text not null
);
create index log_row_at on log_row (at);
create index log_row_severe on log_row (level, id) where level in ('warn', 'error');
create index log_row_event on log_row (event, id);
create index log_row_correlation on log_row (correlation_id, id) where correlation_id is not null;
