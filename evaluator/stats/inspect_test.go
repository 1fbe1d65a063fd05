package stats_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/evaluator/stats"
)

// command runs a statement as the default user.
func command(t *testing.T, address, sql string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery, u.Path = url.Values{"database": {strings.TrimPrefix(u.Path, "/")}}.Encode(), "/"
	answer, err := http.Post(u.String(), "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", sql, text, err)
	}
}

func TestServerTellsTheLevelOfItsUser(t *testing.T) {
	for user, want := range map[string]int{"default": 0, "readonly": 1, "readonly2": 2} {
		client, _ := open(t, user)
		got, err := client.Server(t.Context())
		if err != nil || got.Readonly != want || got.Version == "" || time.Since(got.Now).Abs() > time.Minute {
			t.Errorf("Server as %s = %+v, %v; want readonly %d and our time", user, got, err, want)
		}
		if access, err := client.Access(t.Context()); err != nil || access.Missing || access.Denied || access.Lacking != nil {
			t.Errorf("Access as %s = %+v, %v; want all of it", user, access, err)
		}
	}
}

func TestAccessTellsWhatIsMissing(t *testing.T) {
	client, address := open(t, "readonly")
	command(t, address, "ALTER TABLE events_v2 RENAME COLUMN pathname TO path")
	if access, err := client.Access(t.Context()); err != nil || !slices.Equal(access.Lacking, []string{"pathname"}) {
		t.Errorf("Access without a column = %+v, %v", access, err)
	}
	command(t, address, "DROP TABLE events_v2")
	if access, err := client.Access(t.Context()); err != nil || !access.Missing {
		t.Errorf("Access without the table = %+v, %v", access, err)
	}
}

func TestFreshnessKnowsTheUsualPause(t *testing.T) {
	client, address := open(t, "readonly")
	now := time.Now().Truncate(time.Second)
	if got, err := client.Freshness(t.Context(), now); err != nil || !got.Newest.IsZero() {
		t.Errorf("Freshness without events = %+v, %v; want none", got, err)
	}
	newest := now.Add(-20 * time.Minute)
	insert(t, address,
		stack.Event{SiteID: 1, Timestamp: now.Add(-9 * 24 * time.Hour)}, // Too long ago to count.
		stack.Event{SiteID: 1, Timestamp: newest.Add(-5 * time.Hour)},
		stack.Event{SiteID: 2, Timestamp: newest.Add(-3 * time.Hour)},
		stack.Event{SiteID: 1, Timestamp: newest})
	got, err := client.Freshness(t.Context(), now)
	if err != nil || !got.Newest.Equal(newest) || got.Busy != 3 || (got.Pause-3*time.Hour).Abs() > stats.FreshnessBucket {
		t.Errorf("Freshness = %+v, %v; want %s and a pause of 3 h", got, err, newest)
	}
}
