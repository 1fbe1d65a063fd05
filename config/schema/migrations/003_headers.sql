-- A webhook's own headers and timeout. Values of headers are secrets: they are
-- encrypted one by one, beside their names (deploy/REFERENCE.md section 3).

-- As in 002: rather give up soon than make everyone wait who comes after us.
-- One statement, so that the table is locked and read once; defaults that are
-- constants rewrite no row.
set local lock_timeout = '2s';

alter table plausible_webhooks.webhooks
  add column headers jsonb not null default '{}'
    constraint webhooks_headers_object check (jsonb_typeof(headers) = 'object'),
  add column timeout_seconds integer
    constraint webhooks_timeout_bounded check (timeout_seconds between 1 and 30);

-- As in 001, with timeout_seconds among what a person edits. Headers are left
-- out as secrets are: encrypting them in place is no edit.
create or replace function plausible_webhooks.touch_webhook() returns trigger
  language plpgsql
as $$
begin
  if new.enabled and not old.enabled then
    new.restarted_at := now();
  end if;
  if new.enabled then
    new.disabled_reason := null;
  end if;
  if new.updated_at = old.updated_at
     and (new.site_id, new.name, new.url, new.format, new.enabled, new.managed_by, new.timeout_seconds)
         is distinct from (old.site_id, old.name, old.url, old.format, old.enabled, old.managed_by, old.timeout_seconds) then
    new.updated_at := now();
  end if;
  return new;
end
$$;
