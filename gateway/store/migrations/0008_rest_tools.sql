-- Tools of REST upstreams: HTTP operations that the registry keeps, each behind an item of kind tool.

alter table gateway drop constraint gateway_transport_check;
alter table gateway add constraint gateway_transport_check
  check (transport in ('STREAMABLEHTTP', 'SSE', 'STDIO', 'REST', 'BUILTIN'));
-- Grows with every change of the upstream's operations, which are part of its revision.
alter table gateway add column operations_version bigint not null default 0;

create table rest_operation (
  item_id text primary key references item (id) on delete cascade,
  -- JSON as text: its numbers and their order stay what they were.
  operation text not null,
  -- What the operation was imported from, such as `GET /pets/{id}`; null for one that was written by hand.
  source_key text
);
-- Where a REST upstream's tools were imported from, and how: what an update asks again.
create table rest_import (
  gateway_id text primary key references gateway (id) on delete cascade,
  url text,
  options text not null,
  digest text not null,
  title text not null,
  version text not null,
  imported_at timestamptz not null default now()
);
