package stack

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// PostgresOptions are the ways in which servers differ. The zero value is what
// most tests want: PostgreSQL 16 with logical replication, on a free port, with
// data that goes away with the server.
type PostgresOptions struct {
	// Version is the major version: 16, 17 or 18; zero is 16, as in Plausible's
	// compose file.
	Version int
	// WALLevel is "logical" (also when empty), or "replica", which is
	// PostgreSQL's own default and what Plausible's compose file leaves it at.
	WALLevel string
	// Settings are more settings of postgresql.conf. They win over ours.
	Settings map[string]string
	// Port is the TCP port on 127.0.0.1; zero is any free one.
	Port int
	// Dir keeps the data between runs. Empty is a temporary folder, removed by
	// Stop.
	Dir string
	// Log receives the server's log; nil drops it, but for the last lines,
	// which stand in the error of a start that fails.
	Log io.Writer
}

func (o PostgresOptions) withDefaults() (PostgresOptions, error) {
	if o.Version == 0 {
		o.Version = 16
	}
	switch o.WALLevel {
	case "":
		o.WALLevel = "logical"
	case "logical", "replica":
	default:
		return o, fmt.Errorf("wal level %q: it must be logical or replica", o.WALLevel)
	}
	if o.Port < 0 || o.Port > 65535 {
		return o, fmt.Errorf("port %d: it must be between 1 and 65535, or 0 for a free one", o.Port)
	}
	return o, nil
}

// ordinary tells whether any server with logical replication will do.
func (o PostgresOptions) ordinary() bool {
	return o.Version == 0 && (o.WALLevel == "" || o.WALLevel == "logical") &&
		len(o.Settings) == 0 && o.Port == 0 && o.Dir == ""
}

// arguments are the command line of postgres.
func (o PostgresOptions) arguments(data, socketDir string, port int) []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": socketDir,
		"port":                    strconv.Itoa(port),
		"wal_level":               o.WALLevel,
		"max_wal_senders":         "20",
		"max_replication_slots":   "20",
		// Packages are tested in parallel, each test with pools of its own.
		"max_connections": "200",
		// The data is worth nothing after a crash of the machine.
		"fsync":            "off",
		"full_page_writes": "off",
		// What a container has; the machine's zone must not decide a test.
		"timezone":     "UTC",
		"log_timezone": "UTC",
		"lc_messages":  "C",
	}
	maps.Copy(settings, o.Settings)
	args := []string{"-D", data}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
