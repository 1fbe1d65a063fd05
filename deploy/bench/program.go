package main

import (
	"context"
	"fmt"
	"os"

	"plausible-webhooks/deploy/devstack/sidecar"
)

// environment is that of the program at an installation with these databases;
// of two values of a name, the one in more holds.
func environment(database, events string, more ...string) []string {
	return append(append(os.Environ(),
		"DATABASE_URL="+database, "CLICKHOUSE_DATABASE_URL="+events, "BASE_URL=https://plausible.example.com",
		"WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:9", // Nobody there; nothing here needs the page.
		"SECRET_KEY_BASE="+benchKeyBase,
	), more...)
}

// onLoopback lets receivers be on loopback, with a certificate of this authority.
func onLoopback(caFile string) []string {
	return []string{"WEBHOOKS_CA_FILE=" + caFile, "WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8"}
}

// startLogged starts the program with its log in a file of that name.
func startLogged(binary string, env []string, log string) (*sidecar.Process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("open the sidecar's log: %w", err)
	}
	defer func() { _ = file.Close() }() // The process has its own.
	return sidecar.Start(binary, env, file)
}

// startReady is startLogged, and waits until the program is ready, for as long
// as patience allows.
func startReady(ctx context.Context, binary string, env []string, log string) (*sidecar.Process, error) {
	process, err := startLogged(binary, env, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := process.Ready(ctx); err != nil {
		_ = process.Stop() // That it was not ready says more.
		return nil, err
	}
	return process, nil
}
