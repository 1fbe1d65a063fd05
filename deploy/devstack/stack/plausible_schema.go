package stack

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
)

// PlausibleVersion names a release line of Plausible CE by the tables it has.
type PlausibleVersion string

// The release lines whose tables differ in what the product reads.
const (
	V21 PlausibleVersion = "v2.1" // As of v2.1.4: no teams, no scroll goals.
	V30 PlausibleVersion = "v3.0" // Teams and scroll goals.
	V32 PlausibleVersion = "v3.2" // Goals with properties, consolidated sites.

	// NoPlausible is a database without Plausible.
	NoPlausible PlausibleVersion = ""
)

// PlausibleVersions are all release lines, oldest first, for tests of each.
func PlausibleVersions() []PlausibleVersion { return []PlausibleVersion{V21, V30, V32} }

// plausibleSchemas holds the tables of the oldest release, and for each later
// one what its migrations change: so a database can also be upgraded while
// somebody follows it.
//
//go:embed plausible_schema/*.sql
var plausibleSchemas embed.FS

// UpgradePlausible changes the tables of the release before to into those of
// to, in one transaction, as Plausible's own migrations do at its start.
func UpgradePlausible(ctx context.Context, db DB, to PlausibleVersion) error {
	if slices.Index(PlausibleVersions(), to) < 1 {
		return fmt.Errorf("upgrade plausible: no release leads to %q", to)
	}
	statements, err := to.statements()
	if err != nil {
		return err
	}
	if _, err := db.Exec(ctx, "begin;\n"+statements+"\ncommit;"); err != nil {
		return fmt.Errorf("upgrade plausible to %s: %w", to, err)
	}
	return nil
}

// schema returns the statements that make all tables of a release.
func (v PlausibleVersion) schema() (string, error) {
	if v == NoPlausible {
		return "", nil
	}
	versions := PlausibleVersions()
	index := slices.Index(versions, v)
	if index < 0 {
		return "", fmt.Errorf("there is no schema of Plausible %s; there are those of %v", v, versions)
	}
	var all strings.Builder
	for _, version := range versions[:index+1] {
		statements, err := version.statements()
		if err != nil {
			return "", err
		}
		all.WriteString(statements)
	}
	return all.String(), nil
}

func (v PlausibleVersion) statements() (string, error) {
	text, err := plausibleSchemas.ReadFile("plausible_schema/" + string(v) + ".sql")
	if err != nil {
		return "", fmt.Errorf("read the schema of Plausible %s: %w", v, err)
	}
	return string(text), nil
}
