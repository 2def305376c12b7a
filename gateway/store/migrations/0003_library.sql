-- Resources and prompts that the gateway hosts itself. They are items of the built-in upstream `library`.

alter table gateway drop constraint gateway_transport_check;
alter table gateway add constraint gateway_transport_check
  check (transport in ('STREAMABLEHTTP', 'SSE', 'STDIO', 'BUILTIN'));
alter table gateway drop constraint gateway_source_check;
alter table gateway add constraint gateway_source_check check (source in ('api', 'config', 'builtin'));
alter table gateway drop constraint gateway_check1;
alter table gateway add constraint gateway_check1 check ((transport in ('STDIO', 'BUILTIN')) = (url is null));
alter table gateway add constraint gateway_builtin check ((transport = 'BUILTIN') = (source = 'builtin'));

-- Apart from `item`, so that no list reads it.
create table hosted_body (
  item_id text primary key references item (id) on delete cascade,
  -- The content of a resource, or the template of a prompt.
  body text not null,
  encoding text not null check (encoding in ('text', 'base64'))
);
