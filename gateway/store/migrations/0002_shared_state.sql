-- State that crosses workers and replicas when there is no Redis. UNLOGGED: it is bounded in time, never the only copy of
-- anything that must last, and may be gone after a crash of the server.

create unlogged table shared_values (
  key text primary key,
  value text not null,
  expires_at timestamptz not null
);
create index shared_values_expires_at on shared_values (expires_at);

create unlogged table shared_maps (
  key text primary key,
  fields jsonb not null,
  expires_at timestamptz not null
);
create index shared_maps_expires_at on shared_maps (expires_at);

-- A log that expired and is written again gets a new generation, so that entries of its former life cannot show.
create sequence shared_log_generation;
create unlogged table shared_logs (
  log text primary key,
  generation bigint not null,
  newest bigint not null,
  -- Entries up to here are no longer part of the log, deleted or not yet.
  dropped bigint not null,
  expires_at timestamptz not null
);
create index shared_logs_expires_at on shared_logs (expires_at);

create unlogged table shared_log_entries (
  generation bigint not null,
  sequence bigint not null,
  entry text not null,
  primary key (generation, sequence)
);

-- Readers ask for what was not visible in the snapshot of their last poll; a message that commits late is therefore
-- neither lost nor seen twice, whatever its id.
create unlogged table shared_messages (
  id bigint generated always as identity primary key,
  writer xid8 not null default pg_current_xact_id(),
  channel text not null,
  message text not null,
  sent_at timestamptz not null default clock_timestamp()
);
create index shared_messages_writer on shared_messages (writer);
create index shared_messages_sent_at on shared_messages (sent_at);
