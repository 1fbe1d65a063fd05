package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Pause lets the server accept requests but answer none, until Resume or Restart.
func (c *ClickHouse) Pause() error { return c.administer("pause") }

// Fail lets the server answer every request with error 202,
// TOO_MANY_SIMULTANEOUS_QUERIES, until Resume or Restart.
func (c *ClickHouse) Fail() error { return c.administer("fail") }

// Resume ends Pause and Fail; requests that waited go on.
func (c *ClickHouse) Resume() error { return c.administer("resume") }

// Query is a finished query as the server logged it.
type Query struct {
	Seq        uint64 // Counts from 1 since the server started.
	Started    time.Time
	ID         string // As the client named it.
	Database   string
	SQL        string // Without the values of its parameters.
	Params     map[string]string
	Settings   map[string]string // That came with the query.
	ResultRows uint64            `json:"result_rows"`
	ReadRows   uint64            `json:"read_rows"`
	ReadBytes  uint64            `json:"read_bytes"`
	Elapsed    time.Duration     `json:"elapsed_ns"`
	Code       int               // ClickHouse's error code, 0 for success.
}

// Queries returns the queries since the start of the server, the last 20,000
// at most, oldest first. Tests that share a server tell theirs by Database.
func (c *ClickHouse) Queries() ([]Query, error) { return c.LastQueries(0) }

// LastQueries returns the newest n queries, oldest first; 0 is all that are
// kept. It is for measurements, where reading the whole log each time would cost more
// than what is measured.
func (c *ClickHouse) LastQueries(n int) ([]Query, error) {
	body, err := c.admin(http.MethodGet, "queries?last="+strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	var queries []Query
	if err := json.Unmarshal(body, &queries); err != nil {
		return nil, fmt.Errorf("read clickhouse's queries: %w", err)
	}
	return queries, nil
}

// Functions returns the names of the SQL functions and aggregates that
// the successful queries on a database used, as the engine parses them, sorted.
func (c *ClickHouse) Functions(ctx context.Context, database string) ([]string, error) {
	queries, err := c.Queries()
	if err != nil {
		return nil, err
	}
	return c.functionsOf(ctx, database, queries)
}

func (c *ClickHouse) administer(action string) error {
	_, err := c.admin(http.MethodPost, action)
	return err
}

func (c *ClickHouse) admin(method, action string) ([]byte, error) {
	if c.external != nil {
		return nil, errExternal
	}
	// Trouble stops queries, never this.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.URL("devstack/"+action), nil)
	if err != nil {
		return nil, err
	}
	response, err := plainHTTP.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse to %s: %w", action, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse to %s: %w", action, err)
	}
	return body, nil
}
