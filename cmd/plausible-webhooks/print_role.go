package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/env"
	"plausible-webhooks/config/schema"

	"github.com/jackc/pgx/v5"
)

// roleSQL makes a role that can do just what the sidecar needs. Names come
// quoted, and the password as what PostgreSQL stores of it.
//
//go:embed role.sql
var roleSQL string

var roleTemplate = template.Must(template.New("role").Parse(roleSQL))

// roleName is the name of a role that needs no care anywhere: in URLs, in SQL
// and on command lines.
var roleName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func (c migrateCommand) printRole(p program, settings env.Settings) error {
	if !roleName.MatchString(c.Role) || strings.HasPrefix(c.Role, "pg_") {
		return mistake("role", "%q: want lower-case letters, digits and underscores, such as plausible_webhooks", c.Role)
	}
	if c.Role == settings.Database.User {
		return mistake("role", "%s is the role of DATABASE_URL: want the name of a new one", c.Role)
	}
	password := rand.Text()
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	tables := cdc.PlausibleTables()
	err = roleTemplate.Execute(p.stdout, map[string]any{
		"Role": pgx.Identifier{c.Role}.Sanitize(), "RoleText": literal(c.Role), "Verifier": literal(verifier),
		"Database": pgx.Identifier{settings.Database.Name}.Sanitize(), "Schema": schema.Name, "Publication": cdc.Publication,
		"Tables": strings.Join(tables, ", "), "FirstTable": literal(tables[0]), "Replicates": settings.ConfigSource != env.SourcePoll,
	})
	if err != nil {
		return fmt.Errorf("print the SQL: %w", err)
	}
	fmt.Fprintf(p.stderr, "The SQL is for a superuser, to run in the database %s. After that, set for the sidecar alone:\n\n    DATABASE_URL=%s\n\nThe password stands nowhere else; the SQL holds what PostgreSQL stores of it. Printing again makes another one.\n",
		settings.Database.Name, settings.Database.URLAs(c.Role, password))
	return nil
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// scramVerifier is what PostgreSQL stores of a password (RFC 5803): SQL with
// the password itself could end up in the server's log.
func scramVerifier(password string) (string, error) {
	const iterations = 4096 // PostgreSQL's own default.
	salt := make([]byte, 16)
	rand.Read(salt) // It never fails.
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive what is stored of the password: %w", err)
	}
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(sign("Server Key"))), nil
}
