-- Whoever inserts deliveries wakes the sender, which otherwise looks every half
-- second. The notice names the webhook, so that one delivery costs one look at one
-- webhook's queue; a statement for many webhooks sends one notice without a
-- name. Notices of a transaction that rolls back are never sent.
--
-- The trigger is on a table of ours: it takes part in no statement of
-- Plausible's own.
set local lock_timeout = '2s';

create function plausible_webhooks.announce_deliveries() returns trigger
  language plpgsql
as $$
declare
  most constant integer := 32;
  hooks bigint[];
begin
  select array_agg(webhook_id) into hooks
  from (select distinct webhook_id from queued where status = 'pending' limit most + 1) q;
  if cardinality(hooks) > most then
    hooks := array[null];
  end if;
  perform pg_notify('plausible_webhooks_due', coalesce(hook::text, '')) from unnest(hooks) hook;
  return null;
end
$$;

create trigger announce_deliveries after insert on plausible_webhooks.webhook_deliveries
  referencing new table as queued
  for each statement execute function plausible_webhooks.announce_deliveries();
