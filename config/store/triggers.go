package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

func checkTriggerCount(count int, found *mistakes) {
	if count > MaxTriggers {
		found.add(FieldTrigger, "%d triggers are more than the %d that one webhook may have", count, MaxTriggers)
	}
}

const putTrigger = `insert into plausible_webhooks.webhook_triggers
	(webhook_id, type, goal_id, threshold, window_seconds, cooldown_seconds, repeat, notify_recovery, enabled)
	values ($1, $2, nullif($3, 0::bigint), nullif($4, 0::integer), nullif($5, 0::integer), $6, $7, $8, $9)
	on conflict on constraint webhook_triggers_once do update set
		threshold = excluded.threshold, window_seconds = excluded.window_seconds, cooldown_seconds = excluded.cooldown_seconds,
		repeat = excluded.repeat, notify_recovery = excluded.notify_recovery, enabled = excluded.enabled`

// putTriggers adds triggers, or brings those of the same type and goal in
// step; the caller holds the webhook's row.
func putTriggers(ctx context.Context, tx pgx.Tx, webhook int64, specs []TriggerSpec, found *mistakes) error {
	// Two names that differ in case may have turned out to be one goal.
	type identity struct {
		typ  string
		goal int64
	}
	seen := make(map[identity]int)
	for i, spec := range specs {
		id := identity{string(spec.Type), spec.GoalID}
		if first, ok := seen[id]; ok {
			found.add(TriggerField(i, "goal"), "trigger %d is about the same goal; a webhook has one of each", first+1)
			return found.err()
		}
		seen[id] = i
		_, err := tx.Exec(ctx, putTrigger, webhook, string(spec.Type), spec.GoalID, spec.Threshold, spec.WindowSeconds,
			spec.CooldownSeconds, !spec.Once, spec.Recovery, !spec.Disabled)
		if err != nil {
			return fmt.Errorf("write trigger %s: %w", spec.Type, err)
		}
	}
	var count int
	if err := tx.QueryRow(ctx, "select count(*) from plausible_webhooks.webhook_triggers where webhook_id = $1", webhook).Scan(&count); err != nil {
		return fmt.Errorf("count triggers: %w", err)
	}
	checkTriggerCount(count, found)
	return found.err()
}

// dropTriggers deletes the triggers of the specs' types and goals.
func dropTriggers(ctx context.Context, tx pgx.Tx, webhook int64, specs []TriggerSpec, found *mistakes) error {
	for i, spec := range specs {
		tag, err := tx.Exec(ctx, `delete from plausible_webhooks.webhook_triggers
			where webhook_id = $1 and type = $2 and goal_id is not distinct from nullif($3, 0::bigint)`, webhook, string(spec.Type), spec.GoalID)
		if err != nil {
			return fmt.Errorf("remove trigger %s: %w", spec.Type, err)
		}
		if tag.RowsAffected() == 0 {
			found.add(fmt.Sprintf("drop[%d]", i), "the webhook has no such trigger %s", spec)
		}
	}
	return found.err()
}

// String is the type and goal, which tell a webhook's triggers apart.
func (t TriggerSpec) String() string {
	switch {
	case t.Goal != "":
		return fmt.Sprintf("%s of goal %q", t.Type, t.Goal)
	case t.GoalID != 0:
		return fmt.Sprintf("%s of goal %d", t.Type, t.GoalID)
	default:
		return string(t.Type)
	}
}
