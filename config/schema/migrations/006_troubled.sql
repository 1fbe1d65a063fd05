-- What the log of a webhook is searched for most: deliveries that failed or
-- were cancelled. The index holds no others, so that what is delivered at once
-- never touches it.

-- As in 002: rather give up soon than make everyone wait who comes after us.
-- Building it keeps others from writing for about a second per million rows.
set local lock_timeout = '2s';

create index webhook_deliveries_troubled on plausible_webhooks.webhook_deliveries (webhook_id, inserted_at desc)
  where status in ('failed', 'cancelled');
