-- Limits and pinned definitions.

-- Token buckets of the shared state when there is no Redis. UNLOGGED as the rest of it: after a crash of the server they are full.
create unlogged table shared_buckets (
  key text primary key,
  tokens double precision not null,
  -- What the last statement took: a statement cannot answer what was there before it.
  taken double precision not null,
  at timestamptz not null,
  expires_at timestamptz not null
);
create index shared_buckets_expires_at on shared_buckets (expires_at);

-- Quotas: what of a calendar period's amount has been handed to workers. It has to outlast crashes.
create table quota_use (
  key text not null,
  -- First moment of the period, UTC.
  period_start timestamptz not null,
  used bigint not null check (used >= 0),
  -- What the last statement handed out.
  granted bigint not null,
  primary key (key, period_start)
);
create index quota_use_period_start on quota_use (period_start);

-- Definitions of tools as they were approved, and what has come in their place. Definitions are canonical JSON (RFC 8785).
create table tool_pin (
  gateway_id text not null references gateway (id) on delete cascade,
  name text not null check (length(name) <= 500),
  -- Null: nothing was approved yet; the tool is new on an upstream whose new tools wait.
  digest text,
  definition text,
  approved_at timestamptz,
  -- Who approved it, or `first seen`.
  approved_by text,
  pending_digest text,
  pending_definition text,
  pending_since timestamptz,
  -- What is suspicious in the definition seen last.
  flags text[] not null default '{}',
  -- Refused for good: seeing it again asks nobody again.
  rejected_digest text,
  rejected_by text,
  first_seen timestamptz not null default now(),
  primary key (gateway_id, name),
  check (digest is not null or pending_digest is not null)
);
create index tool_pin_pending on tool_pin (pending_since) where pending_digest is not null;

-- Of single upstreams, where TOOL_PIN_POLICY shall not hold.
create table gateway_pin_policy (
  gateway_id text primary key references gateway (id) on delete cascade,
  policy text not null check (policy in ('off', 'flag', 'quarantine'))
);
