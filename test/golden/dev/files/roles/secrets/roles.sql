SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE migrator LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'migrator') \gexec
ALTER ROLE migrator PASSWORD '{{secret:database-migrator:sql}}';
SELECT 'CREATE ROLE gateway LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway') \gexec
ALTER ROLE gateway PASSWORD '{{secret:database-gateway:sql}}';
SELECT 'CREATE ROLE backup LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'backup') \gexec
ALTER ROLE backup PASSWORD '{{secret:database-backup:sql}}';
SELECT 'CREATE ROLE monitor LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitor') \gexec
ALTER ROLE monitor PASSWORD '{{secret:database-monitor:sql}}';
GRANT pg_read_all_data TO backup;
GRANT pg_monitor TO monitor;
GRANT pg_use_reserved_connections TO migrator;
GRANT pg_use_reserved_connections TO backup;
GRANT pg_use_reserved_connections TO monitor;
ALTER ROLE gateway SET statement_timeout = '10000ms';
ALTER ROLE migrator SET statement_timeout = 0;
ALTER ROLE backup SET statement_timeout = 0;
SELECT 'CREATE DATABASE mcp OWNER migrator' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'mcp') \gexec
REVOKE ALL ON DATABASE mcp FROM PUBLIC;
GRANT CONNECT ON DATABASE mcp TO migrator;
GRANT CONNECT ON DATABASE mcp TO gateway;
GRANT CONNECT ON DATABASE mcp TO backup;
GRANT CONNECT ON DATABASE mcp TO monitor;
\connect mcp
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO migrator;
GRANT USAGE ON SCHEMA public TO gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO gateway;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gateway;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO gateway;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO gateway;
