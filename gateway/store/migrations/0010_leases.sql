-- Who may do what only one process of the deployment does. Logged: a fence has to grow over a crash of the server.
create table shared_leases (
  name text primary key,
  holder text not null,
  -- Grows with every change of the holder and is never given twice.
  fence bigint not null,
  expires_at timestamptz not null
);
create index shared_leases_expires_at on shared_leases (expires_at);

-- The highest fence with which rows of this database were written on behalf of a lease, wherever the lease itself is kept.
create table write_fences (
  name text primary key,
  fence bigint not null
);
