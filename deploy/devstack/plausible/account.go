package plausible

import (
	"context"
	"fmt"

	"plausible-webhooks/deploy/devstack/stack"
)

// The account that demo and devstack begin with.
const (
	DemoEmail    = "owner@example.com"
	DemoPassword = "plausible-demo"
)

// Account is a person who can sign in, with a team of their own where this
// Plausible has teams.
type Account struct {
	UserID int64
	Email  string
	TeamID int64 // Zero before v3.0.
}

// AddAccount makes an account as Plausible's registration does.
func AddAccount(ctx context.Context, db stack.DB, email, password string) (Account, error) {
	id, err := stack.AddUser(ctx, db, email, email)
	if err != nil {
		return Account{}, err
	}
	if _, err := db.Exec(ctx, `update users set password_hash = $2 where id = $1`, id, hashPassword(password)); err != nil {
		return Account{}, fmt.Errorf("set the password of %s: %w", email, err)
	}
	account := Account{UserID: id, Email: email}
	teams, err := hasTeams(ctx, db)
	if err != nil || !teams {
		return account, err
	}
	if account.TeamID, err = stack.AddTeam(ctx, db, stack.Team{}); err != nil {
		return Account{}, err
	}
	_, err = stack.AddTeamMember(ctx, db, account.TeamID, id, "owner")
	return account, err
}

// AddSite makes a site that the account owns.
func (a Account) AddSite(ctx context.Context, db stack.DB, site stack.Site) (id int64, err error) {
	site.TeamID = a.TeamID
	if id, err = stack.AddSite(ctx, db, site); err != nil || a.TeamID != 0 {
		return id, err
	}
	_, err = stack.AddSiteMember(ctx, db, id, a.UserID, "owner")
	return id, err
}

// hasTeams tells v3.0 and later from what came before.
func hasTeams(ctx context.Context, db stack.DB) (teams bool, err error) {
	if err := db.QueryRow(ctx, `select to_regclass('public.team_memberships') is not null`).Scan(&teams); err != nil {
		return false, fmt.Errorf("look for team_memberships: %w", err)
	}
	return teams, nil
}
