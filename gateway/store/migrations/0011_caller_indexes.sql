-- Indexes for what is asked at a sign-in, of one user's tokens, and when somebody or something goes.

create index team_personal on team (created_by) where personal;
-- Whether somebody is the last administrator; there are few.
create index account_admin on account (email) where admin and active;
create index api_token_email on api_token (email, position);
create index team_join_request_email on team_join_request (email);
create index upstream_token_principal on upstream_token (principal_id);
