-- The registry: upstreams, what they list, and virtual servers. `position` is the order of creation; lists are paged by it.

create table catalogue (
  only_row boolean primary key default true check (only_row),
  version bigint not null
);
insert into catalogue (version) values (1);

create table gateway (
  id text primary key,
  position bigint generated always as identity unique,
  slug text not null unique,
  name text not null,
  description text not null,
  transport text not null check (transport in ('STREAMABLEHTTP', 'SSE', 'STDIO')),
  url text,
  command text,
  args text[] not null,
  cwd text,
  isolation text not null check (isolation in ('session', 'shared')),
  era text not null check (era in ('auto', 'legacy', 'modern')),
  auth_type text not null check (auth_type in ('none', 'basic', 'bearer', 'authheaders')),
  sealed text,
  passthrough_headers text[] not null,
  request_timeout_ms integer check (request_timeout_ms > 0),
  tags text[] not null,
  visibility text not null check (visibility in ('private', 'team', 'public')),
  team_id text,
  owner_email text,
  enabled boolean not null,
  reachable boolean not null,
  last_error text,
  last_seen timestamptz,
  last_refresh_at timestamptz,
  capabilities text,
  instructions text,
  source text not null check (source in ('api', 'config')),
  revision text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((transport = 'STDIO') = (command is not null)),
  check ((transport = 'STDIO') = (url is null))
);
create index gateway_tags on gateway using gin (tags);

-- `definition` is the item as the upstream sent it: text, because jsonb would change its numbers.
create table item (
  id text primary key,
  position bigint generated always as identity unique,
  gateway_id text not null references gateway (id) on delete cascade,
  kind text not null check (kind in ('tool', 'resource', 'resourceTemplate', 'prompt')),
  original_name text not null,
  -- SHA-256 of original_name: a URI may be longer than an index entry.
  name_digest text not null,
  custom_name text,
  display_name text,
  description text,
  definition text not null,
  tags text[] not null default '{}',
  enabled boolean not null default true,
  visibility text not null check (visibility in ('private', 'team', 'public')),
  team_id text,
  owner_email text,
  -- Deleted by a person; stays, so that a refresh does not bring it back.
  removed boolean not null default false,
  -- No longer listed by the upstream; stays, so that id and settings survive its return.
  vanished_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (gateway_id, kind, name_digest)
);
create index item_kind_position on item (kind, position) where vanished_at is null and not removed;
create unique index item_custom_name on item (kind, custom_name) where custom_name is not null;
create index item_tags on item using gin (tags);

create table virtual_server (
  id text primary key,
  position bigint generated always as identity unique,
  name text not null unique,
  description text not null,
  icon text,
  tags text[] not null,
  prefix_mode text not null check (prefix_mode in ('conditional', 'always', 'never')),
  failure_mode text not null check (failure_mode in ('open', 'closed')),
  visibility text not null check (visibility in ('private', 'team', 'public')),
  team_id text,
  owner_email text,
  enabled boolean not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index virtual_server_tags on virtual_server using gin (tags);

create table virtual_server_gateway (
  server_id text not null references virtual_server (id) on delete cascade,
  gateway_id text not null references gateway (id) on delete cascade,
  primary key (server_id, gateway_id)
);
create index virtual_server_gateway_gateway on virtual_server_gateway (gateway_id);

create table virtual_server_item (
  server_id text not null references virtual_server (id) on delete cascade,
  item_id text not null references item (id) on delete cascade,
  primary key (server_id, item_id)
);
create index virtual_server_item_item on virtual_server_item (item_id);
