package stack

import (
	"context"
	"time"
)

// sessionAge is how long Plausible keeps a session that nobody uses.
const sessionAge = 14 * 24 * time.Hour

// AddUser adds a user with a verified address and returns the id.
func AddUser(ctx context.Context, db DB, email, name string) (id int64, err error) {
	r := written()
	r.set("email", email)
	r.set("name", name)
	r.set("email_verified", true)
	return r.insert(ctx, db, "users")
}

// AddSession signs a user in: token is what the cookie of the session holds.
// Plausible's tokens have 32 random bytes.
func AddSession(ctx context.Context, db DB, userID int64, token []byte) (id int64, err error) {
	now := time.Now().UTC().Truncate(time.Second)
	r := &row{}
	r.set("user_id", userID)
	r.set("token", token)
	r.set("device", "Firefox (Linux)")
	r.set("inserted_at", now)
	r.set("last_used_at", now)
	r.set("timeout_at", now.Add(sessionAge))
	return r.insert(ctx, db, "user_sessions")
}

// Team is a team to add, from v3.0 on.
type Team struct {
	Name   string // Empty is what Plausible calls a team that nobody named.
	Locked bool
	// AcceptTrafficUntil is the last day on which events are taken. Zero is no
	// limit; CE itself writes a day about a hundred years ahead.
	AcceptTrafficUntil time.Time
}

// AddTeam adds a team without members and returns its id.
func AddTeam(ctx context.Context, db DB, team Team) (id int64, err error) {
	if team.Name == "" {
		team.Name = "My Personal Sites"
	}
	r := written()
	r.set("name", team.Name)
	option(r, "locked", team.Locked)
	option(r, "accept_traffic_until", team.AcceptTrafficUntil)
	return r.insert(ctx, db, "teams")
}

// AddTeamMember gives a user a role in a team (owner, admin, editor, billing,
// viewer, or guest for those who see single sites only) and returns the
// membership's id.
func AddTeamMember(ctx context.Context, db DB, teamID, userID int64, role string) (id int64, err error) {
	r := written()
	r.set("team_id", teamID)
	r.set("user_id", userID)
	r.set("role", role)
	return r.insert(ctx, db, "team_memberships")
}

// AddGuest gives a member of a team whose role is guest a role in one site
// (editor or viewer) and returns the guest membership's id.
func AddGuest(ctx context.Context, db DB, teamMembershipID, siteID int64, role string) (id int64, err error) {
	r := written()
	r.set("team_membership_id", teamMembershipID)
	r.set("site_id", siteID)
	r.set("role", role)
	return r.insert(ctx, db, "guest_memberships")
}

// AddSiteMember gives a user a role in a site as v2.1 does (owner, admin or
// viewer) and returns the membership's id. From v3.0 on nobody reads it.
func AddSiteMember(ctx context.Context, db DB, siteID, userID int64, role string) (id int64, err error) {
	r := written()
	r.set("site_id", siteID)
	r.set("user_id", userID)
	r.set("role", role)
	return r.insert(ctx, db, "site_memberships")
}
