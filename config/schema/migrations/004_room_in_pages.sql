-- Every delivery is updated twice or more on its way, and every attempt once.
-- Where the page of a row has room, the new version goes there and no index is
-- touched; measured, that is two fifths of what sending costs PostgreSQL. Rows
-- that are there already stay as they are.
set local lock_timeout = '2s';

alter table plausible_webhooks.webhook_deliveries set (fillfactor = 50);
alter table plausible_webhooks.webhook_delivery_attempts set (fillfactor = 50);
