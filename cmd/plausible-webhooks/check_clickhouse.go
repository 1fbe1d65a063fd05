package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"plausible-webhooks/config/env"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// clickHousePatience bounds each question of the check.
const clickHousePatience = 10 * time.Second

// neededEventColumns are those of events_v2 that conditions are made of.
var neededEventColumns = []string{"timestamp", "name", "site_id", "user_id", "pathname", "referrer_source", "meta.key", "meta.value"}

func checkClickHouse(ctx context.Context, where env.ClickHouse) []finding {
	conn, err := openClickHouse(where)
	if err != nil {
		return []finding{failure("ClickHouse", err.Error(), "correct CLICKHOUSE_DATABASE_URL")}
	}
	defer func() { _ = conn.Close() }()
	version, found := checkClickHouseReachable(ctx, conn, where)
	if version == "" {
		return []finding{found}
	}
	return []finding{found, checkEvents(ctx, conn, where)}
}

func checkClickHouseReachable(ctx context.Context, conn driver.Conn, where env.ClickHouse) (version string, _ finding) {
	ctx, cancel := context.WithTimeout(ctx, clickHousePatience)
	defer cancel()
	if err := conn.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", failure("ClickHouse", fmt.Sprintf("%s does not answer: %v", where, withoutURL(err)),
			"set CLICKHOUSE_DATABASE_URL to what Plausible's own container has, and see that ClickHouse runs and is on the same network")
	}
	return version, ok("ClickHouse", "%s answers, version %s", where, version)
}

func checkEvents(ctx context.Context, conn driver.Conn, where env.ClickHouse) finding {
	const name = "events"
	ctx, cancel := context.WithTimeout(ctx, clickHousePatience)
	defer cancel()
	var found []string
	err := conn.QueryRow(ctx, "SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND table = 'events_v2'").Scan(&found)
	if err != nil {
		return failure(name, fmt.Sprintf("the columns of events_v2 cannot be read: %v", withoutURL(err)), "let the user of CLICKHOUSE_DATABASE_URL read Plausible's database")
	}
	var missing []string
	for _, column := range neededEventColumns {
		if !slices.Contains(found, column) {
			missing = append(missing, column)
		}
	}
	switch {
	case len(found) == 0:
		return failure(name, "there is no table events_v2 in "+where.Database, "see that CLICKHOUSE_DATABASE_URL names Plausible's database, and start Plausible once")
	case len(missing) > 0:
		return failure(name, "events_v2 lacks "+strings.Join(missing, ", "), "let Plausible finish its migrations (v2.1 or newer)")
	}
	return ok(name, "events_v2 is there")
}

func openClickHouse(where env.ClickHouse) (driver.Conn, error) {
	options := clickhouse.Options{
		Addr:        []string{where.Address()},
		Auth:        clickhouse.Auth{Database: where.Database, Username: where.User, Password: where.Password.Reveal()},
		DialTimeout: clickHousePatience,
		Protocol:    clickhouse.HTTP,
	}
	if where.Scheme == "clickhouse" {
		options.Protocol = clickhouse.Native
	}
	if where.Secure {
		options.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if where.Roots != nil {
			options.TLS.RootCAs = x509.NewCertPool()
			options.TLS.RootCAs.AppendCertsFromPEM(where.Roots)
		}
	}
	return clickhouse.Open(&options)
}

// withoutURL takes out the URL that the driver requested, which holds the user.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
