package main

import (
	"context"
	"fmt"

	"plausible-webhooks/config/env"
	"plausible-webhooks/evaluator"

	"github.com/jackc/pgx/v5"
)

// runningSidecars is what the database knows of sidecars at work.
type runningSidecars struct {
	PIDs  []int32 // Of their sessions, this one left out.
	Leads bool    // One of them evaluates.
}

// findSidecars looks for sessions that call themselves by our name, hold the
// lock of the lead, or follow the settings through a slot of ours: the first
// can be renamed in DATABASE_URL, the others cannot.
func findSidecars(ctx context.Context, conn *pgx.Conn) (running runningSidecars, err error) {
	var leaders []int32
	err = conn.QueryRow(ctx, `with leaders as (
			select pid from pg_locks where locktype = 'advisory' and granted and classid = $2::bigint::oid and objid = $3::bigint::oid and objsubid = 1
			and database = (select oid from pg_database where datname = current_database()))
		select array(
			select pid from pg_stat_activity where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()
			union select pid from leaders
			union select active_pid from pg_replication_slots
				where database = current_database() and temporary and slot_name like 'plausible\_webhooks\_%' and active_pid is not null
			order by 1), array(select pid from leaders)`,
		env.ApplicationName, int64(evaluator.LeaderKey)>>32, int64(evaluator.LeaderKey)&0xffff_ffff).Scan(&running.PIDs, &leaders)
	if err != nil {
		return running, fmt.Errorf("look for running sidecars: %w", err)
	}
	running.Leads = len(leaders) > 0
	return running, nil
}
