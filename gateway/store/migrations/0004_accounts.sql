-- Who may call: users, teams, roles, API tokens, and what was revoked. Emails are stored in lower case.

-- Grows with every change of what anybody may; a replica that missed a message sees it here.
create table identity_version (
  only_row boolean primary key default true check (only_row),
  version bigint not null
);
insert into identity_version (version) values (1);

create table account (
  email text primary key check (email = lower(email)),
  position bigint generated always as identity unique,
  full_name text not null default '',
  -- Null: this user cannot log in with a password.
  password_hash text,
  former_hashes text[] not null default '{}',
  password_changed_at timestamptz,
  must_change_password boolean not null default false,
  active boolean not null default true,
  admin boolean not null default false,
  -- `local`: made here; `sso`: came by single sign-on.
  source text not null default 'local' check (source in ('local', 'sso')),
  failed_logins integer not null default 0,
  locked_until timestamptz,
  last_login_at timestamptz,
  -- Tokens made before are no longer good.
  not_before timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table team (
  id text primary key,
  position bigint generated always as identity unique,
  name text not null,
  slug text not null unique,
  description text not null default '',
  personal boolean not null default false,
  visibility text not null check (visibility in ('private', 'public')),
  max_members integer check (max_members > 0),
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table team_member (
  team_id text not null references team (id) on delete cascade,
  email text not null references account (email) on delete cascade,
  role text not null check (role in ('owner', 'member')),
  joined_at timestamptz not null default now(),
  primary key (team_id, email)
);
create index team_member_email on team_member (email);

create table team_invitation (
  id text primary key,
  team_id text not null references team (id) on delete cascade,
  email text not null,
  role text not null check (role in ('owner', 'member')),
  token_hash text not null unique,
  invited_by text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  unique (team_id, email)
);

create table team_join_request (
  id text primary key,
  team_id text not null references team (id) on delete cascade,
  email text not null references account (email) on delete cascade,
  message text not null default '',
  created_at timestamptz not null default now(),
  unique (team_id, email)
);

create table role (
  id text primary key,
  position bigint generated always as identity unique,
  name text not null unique,
  scope text not null check (scope in ('global', 'team', 'personal')),
  description text not null default '',
  -- `*` is all of them, those that later versions add too.
  permissions text[] not null,
  built_in boolean not null default false,
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table role_assignment (
  id text primary key,
  email text not null references account (email) on delete cascade,
  role_id text not null references role (id) on delete cascade,
  -- The team; empty for global and personal roles.
  scope_id text not null default '',
  granted_by text not null,
  granted_at timestamptz not null default now(),
  expires_at timestamptz,
  unique (email, role_id, scope_id)
);
create index role_assignment_role on role_assignment (role_id);

create table api_token (
  id text primary key,
  position bigint generated always as identity unique,
  -- SHA-256 of the token, hexadecimal; the token itself is nowhere.
  hash text not null unique,
  name text not null,
  description text not null default '',
  email text not null references account (email) on delete cascade,
  team_id text references team (id) on delete cascade,
  server_id text,
  -- Null: everything that its owner may.
  permissions text[],
  addresses text[] not null default '{}',
  hours jsonb,
  limits jsonb,
  tags text[] not null default '{}',
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by text,
  revoked_why text,
  created_at timestamptz not null default now()
);
create unique index api_token_name on api_token (email, name) where revoked_at is null;
create index api_token_team on api_token (team_id) where team_id is not null;

-- Requests per token and hour: what usage limits count and what is shown of use.
create table api_token_use (
  token_id text not null references api_token (id) on delete cascade,
  hour timestamptz not null,
  requests bigint not null,
  primary key (token_id, hour)
);

create table revoked_token (
  jti text primary key,
  email text,
  revoked_by text not null,
  reason text not null default '',
  revoked_at timestamptz not null default now(),
  -- After this the token is not good anyway.
  expires_at timestamptz
);
create index revoked_token_expires_at on revoked_token (expires_at);

-- Failed logins by address. A crash may forget them.
create unlogged table login_failure (
  address text primary key,
  failures integer not null,
  last_at timestamptz not null,
  blocked_until timestamptz
);
create index login_failure_last_at on login_failure (last_at);

insert into role (id, name, scope, description, permissions, built_in) values
  ('platform_admin', 'platform_admin', 'global', 'Everything', '{*}', true),
  ('platform_viewer', 'platform_viewer', 'global', 'Sees everything, changes nothing',
   '{registry.oversee,gateways.read,servers.read,tools.read,resources.read,prompts.read,teams.read,tokens.read,users.read,admin.metrics,admin.security_audit,admin.system_config}', true),
  ('team_admin', 'team_admin', 'team', 'Everything in a team',
   '{gateways.create,gateways.read,gateways.update,gateways.delete,servers.create,servers.read,servers.update,servers.delete,servers.use,tools.create,tools.read,tools.update,tools.delete,resources.create,resources.read,resources.update,resources.delete,prompts.create,prompts.read,prompts.update,prompts.delete,teams.read,teams.update,teams.delete,teams.manage_members}', true),
  ('developer', 'developer', 'team', 'Makes and changes what belongs to a team',
   '{gateways.create,gateways.read,gateways.update,gateways.delete,servers.create,servers.read,servers.update,servers.delete,servers.use,tools.create,tools.read,tools.update,tools.delete,resources.create,resources.read,resources.update,resources.delete,prompts.create,prompts.read,prompts.update,prompts.delete,teams.read}', true),
  ('viewer', 'viewer', 'team', 'Sees and uses what belongs to a team',
   '{gateways.read,servers.read,servers.use,tools.read,resources.read,prompts.read,teams.read}', true);
