-- Credentials towards upstreams beyond fixed headers: OAuth, certificates, tokens of single users.

alter table gateway drop constraint gateway_auth_type_check;
alter table gateway add constraint gateway_auth_type_check
  check (auth_type in ('none', 'basic', 'bearer', 'authheaders', 'oauth', 'query_param'));
-- JSON: OAuth without its secrets, certificates, what of callers is told. Secrets are in `sealed`.
alter table gateway add column outbound text not null default '{}';

-- Tokens that authorization servers gave; `principal_id` is empty for those of the gateway itself.
create table upstream_token (
  gateway_id text not null references gateway (id) on delete cascade,
  principal_id text not null,
  sealed text not null,
  -- Grows with each token, so that one which was refreshed elsewhere meanwhile is not written over.
  version bigint not null,
  -- Why the last refresh brought nothing; cleared by the next token.
  failure text,
  updated_at timestamptz not null default now(),
  primary key (gateway_id, principal_id)
);

-- The gateway as a client of an upstream's authorization server, registered there (RFC 7591).
create table upstream_client (
  gateway_id text primary key references gateway (id) on delete cascade,
  issuer text not null,
  client_id text not null,
  redirect_uri text not null,
  sealed text not null,
  created_at timestamptz not null default now()
);
