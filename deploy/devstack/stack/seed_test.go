package stack

import (
	"bytes"
	"testing"
	"time"
)

func TestSeed(t *testing.T) {
	for _, version := range PlausibleVersions() {
		t.Run(string(version), func(t *testing.T) {
			conn := connect(t, TestDatabase(t, version))
			ctx := t.Context()
			id := func(id int64, err error) int64 {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				return id
			}
			user := id(AddUser(ctx, conn, "Jane@Example.com", "Jane"))
			id(AddSession(ctx, conn, user, bytes.Repeat([]byte{7}, 32)))
			site := Site{Domain: "example.com", NativeStatsStartAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
			if version != V21 {
				site.TeamID = id(AddTeam(ctx, conn, Team{}))
				guest := id(AddUser(ctx, conn, "guest@example.com", "Guest"))
				id(AddTeamMember(ctx, conn, site.TeamID, user, "owner"))
				member := id(AddTeamMember(ctx, conn, site.TeamID, guest, "guest"))
				siteID := id(AddSite(ctx, conn, site))
				id(AddGuest(ctx, conn, member, siteID, "editor"))
				id(AddGoal(ctx, conn, siteID, Goal{PagePath: "/blog/**", ScrollThreshold: 75, DisplayName: "Read"}))
			} else {
				id(AddSiteMember(ctx, conn, id(AddSite(ctx, conn, site)), user, "owner"))
			}
			siteID := one[int64](t, conn, "select id from sites where domain = 'example.com'")
			id(AddGoal(ctx, conn, siteID, Goal{PagePath: "/pricing"}))
			if version == V32 {
				id(AddGoal(ctx, conn, siteID, Goal{EventName: "Buy", CustomProps: map[string]string{"plan": "pro"}}))
				if got := one[string](t, conn, "select custom_props->>'plan' from goals where event_name = 'Buy'"); got != "pro" {
					t.Errorf("custom_props: got %q", got)
				}
			}
			spike := id(AddNotification(ctx, conn, siteID, Notification{Recipients: []string{"a@example.com", "b@example.com"}}))
			id(AddNotification(ctx, conn, siteID, Notification{Type: "drop"}))

			for sql, want := range map[string]string{
				"select to_char(native_stats_start_at, 'YYYY-MM-DD HH24:MI:SS') from sites": "2026-01-02 03:04:05",
				"select timezone from sites":                                                          "Etc/UTC",
				"select display_name from goals where page_path = '/pricing'":                         "Visit /pricing",
				"select string_agg(type || threshold, ' ' order by type) from spike_notifications":    "drop1 spike10",
				"select email from users where email = 'jane@example.com'":                            "Jane@Example.com",
				"select count(*)::text from user_sessions where timeout_at > now() + interval '13 d'": "1",
			} {
				if got := one[string](t, conn, sql); got != want {
					t.Errorf("%s: got %q, want %q", sql, got, want)
				}
			}
			if got := one[int](t, conn, "select cardinality(recipients) from spike_notifications where id = $1", spike); got != 2 {
				t.Errorf("recipients: got %d, want 2", got)
			}
		})
	}
}
