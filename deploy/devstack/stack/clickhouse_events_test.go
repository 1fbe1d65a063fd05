package stack

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// queryText runs a query and returns its result, tab-separated.
func queryText(t testing.TB, address, sql string) string {
	t.Helper()
	got, err := send(t.Context(), address, sql, nil, nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.TrimSuffix(got, "\n")
}

func TestEventDefaults(t *testing.T) {
	address := TestEvents(t)
	before := time.Now().Truncate(time.Second)
	if err := InsertEvents(t.Context(), address, []Event{{SiteID: 7}, {SiteID: 7}}); err != nil {
		t.Fatal(err)
	}
	got := queryText(t, address, `SELECT DISTINCT name, site_id, hostname, pathname, referrer_source, meta.key, meta.value, country_code = '\0\0',
		scroll_depth, engagement_time, batch, revenue_reporting_amount IS NULL, acquisition_channel, session_id = user_id FROM events_v2`)
	want := strings.Join([]string{"pageview", "7", "example.com", "/", "", "[]", "[]", "1", "0", "0", "0", "1", "Direct", "1"}, "\t")
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := queryText(t, address, "SELECT uniqExact(user_id), min(user_id) > 0 FROM events_v2"); got != "2\t1" {
		t.Errorf("visitors of two events: got %q, want two, neither of them 0", got)
	}
	var stamps []struct{ Timestamp time.Time }
	if err := dial(t, address, clickhouse.CompressionLZ4).Select(t.Context(), &stamps, "SELECT timestamp AS Timestamp FROM events_v2"); err != nil {
		t.Fatal(err)
	}
	for _, row := range stamps {
		if row.Timestamp.Before(before) || row.Timestamp.After(time.Now()) {
			t.Errorf("got time %v, want now, %v or a moment later", row.Timestamp, before)
		}
	}
}

func TestEventFieldsReachTheirColumns(t *testing.T) {
	address := TestEvents(t)
	at := time.Date(2026, 1, 31, 23, 59, 59, 999e6, time.FixedZone("", 3600))
	event := Event{
		SiteID: 1, Timestamp: at, Name: "engagement", UserID: 1<<64 - 1, SessionID: 3, Hostname: "host", Pathname: "/pfäd?'\"\\\n",
		Props:    map[string]string{"plan": "pro", "author": "it's \"me\""},
		Referrer: "https://r/", ReferrerSource: "Google", UTMMedium: "m", UTMSource: "s", UTMCampaign: "c", UTMContent: "co", UTMTerm: "t",
		ClickIDParam: "gclid", CountryCode: "EE", ScreenSize: "Desktop", OperatingSystem: "Linux", Browser: "Firefox",
		ScrollDepth: ScrollDepthMissing, EngagementTime: 4000, Batch: 5,
	}
	if err := InsertEvents(t.Context(), address, []Event{event}); err != nil {
		t.Fatal(err)
	}
	var stored struct {
		Event
		MetaKey, MetaValue []string
		Channel            string
	}
	row := dial(t, address, clickhouse.CompressionNone).QueryRow(t.Context(), `SELECT site_id, timestamp, name, user_id, session_id, hostname, pathname,
		meta.key, meta.value, referrer, referrer_source, utm_medium, utm_source, utm_campaign, utm_content, utm_term, click_id_param,
		country, device, os, browser, scroll_depth, engagement_time, batch, acquisition_channel FROM events_v2`)
	err := row.Scan(&stored.SiteID, &stored.Timestamp, &stored.Name, &stored.UserID, &stored.SessionID, &stored.Hostname, &stored.Pathname,
		&stored.MetaKey, &stored.MetaValue, &stored.Referrer, &stored.ReferrerSource, &stored.UTMMedium, &stored.UTMSource, &stored.UTMCampaign,
		&stored.UTMContent, &stored.UTMTerm, &stored.ClickIDParam, &stored.CountryCode, &stored.ScreenSize, &stored.OperatingSystem, &stored.Browser,
		&stored.ScrollDepth, &stored.EngagementTime, &stored.Batch, &stored.Channel)
	if err != nil {
		t.Fatal(err)
	}
	sameTime := cmp.Comparer(func(a, b time.Time) bool { return a.Truncate(time.Second).Equal(b.Truncate(time.Second)) })
	if diff := cmp.Diff(event, stored.Event, sameTime, cmpopts.IgnoreFields(Event{}, "Props")); diff != "" {
		t.Errorf("event (-inserted +stored):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"author", "plan"}, {"it's \"me\"", "pro"}}, [][]string{stored.MetaKey, stored.MetaValue}); diff != "" {
		t.Errorf("meta.key and meta.value (-want +got):\n%s", diff)
	}
	if stored.Channel != "Paid Search" {
		t.Errorf("got channel %q, want Paid Search", stored.Channel)
	}
}

func TestEventsOfEveryRelease(t *testing.T) {
	later := map[PlausibleVersion]string{V21: "", V30: "engagement_time scroll_depth", V32: "batch engagement_time scroll_depth"}
	for _, version := range PlausibleVersions() {
		t.Run(string(version), func(t *testing.T) {
			address := TestEventsOf(t, version)
			if err := InsertEvents(t.Context(), address, []Event{{SiteID: 1, ScrollDepth: 50, EngagementTime: 1, Batch: 1}}); err != nil {
				t.Fatal(err)
			}
			if got := queryText(t, address, "SELECT count() FROM events_v2"); got != "1" {
				t.Errorf("got %s rows, want 1", got)
			}
			got := queryText(t, address, `SELECT arrayStringConcat(arraySort(groupArray(name)), ' ') FROM system.columns
				WHERE database = currentDatabase() AND table = 'events_v2' AND name IN ('batch', 'engagement_time', 'scroll_depth')`)
			if want := later[version]; got != want {
				t.Errorf("columns that came later: got %q, want %q", got, want)
			}
			keys := queryText(t, address, `SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() ORDER BY name`)
			for _, want := range []string{
				"events_v2\tMergeTree PARTITION BY toYYYYMM(timestamp) PRIMARY KEY (site_id, toDate(timestamp), name, user_id) " +
					"ORDER BY (site_id, toDate(timestamp), name, user_id, timestamp) SAMPLE BY user_id",
				"sessions_v2\tVersionedCollapsingMergeTree(sign, events) PARTITION BY toYYYYMM(start) " +
					"PRIMARY KEY (site_id, toDate(start), user_id, session_id) ORDER BY (site_id, toDate(start), user_id, session_id) SAMPLE BY user_id",
			} {
				if !strings.Contains(keys, want) {
					t.Errorf("tables: got\n%s\nwant among it\n%s", keys, want)
				}
			}
		})
	}
	if _, err := TestClickHouse(t).CreateDatabaseOf(t.Context(), "v1.0", "never"); err == nil {
		t.Error("tables of v1.0: got no error")
	}
}

// The query is what Plausible decides about traffic spikes by
// (lib/plausible/stats/current_visitors.ex), with the clock as a parameter.
func TestCurrentVisitorsAsPlausibleCountsThem(t *testing.T) {
	address := TestEvents(t)
	now := time.Date(2026, 2, 1, 0, 1, 0, 0, time.UTC) // The window spans two partitions.
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	err := InsertEvents(t.Context(), address, []Event{
		{SiteID: 1, UserID: 10, Timestamp: at(0)},
		{SiteID: 1, UserID: 10, Timestamp: at(time.Minute), Name: "Signup"},
		{SiteID: 1, UserID: 11, Timestamp: at(5 * time.Minute)},
		{SiteID: 1, UserID: 12, Timestamp: at(5*time.Minute + time.Second)},
		{SiteID: 1, UserID: 13, Timestamp: at(0), Name: "engagement"},
		{SiteID: 2, UserID: 14, Timestamp: at(0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, address, clickhouse.CompressionLZ4)
	for _, test := range []struct {
		now  time.Time
		want uint64
	}{{now, 2}, {now.Add(-time.Minute), 3}, {now.Add(time.Hour), 0}} {
		var got uint64
		err := conn.QueryRow(t.Context(), `SELECT uniq(user_id) FROM events_v2
			WHERE site_id = {site:UInt64} AND timestamp >= {now:DateTime} - INTERVAL 5 MINUTE AND name != 'engagement'`,
			clickhouse.Named("site", 1), clickhouse.DateNamed("now", test.now, clickhouse.Seconds)).Scan(&got)
		if err != nil || got != test.want {
			t.Errorf("at %v: got %d visitors, error %v, want %d", test.now, got, err, test.want)
		}
	}
}

func TestInsertEventsTellsWhatFailed(t *testing.T) {
	address := TestEvents(t)
	if err := InsertEvents(t.Context(), address, nil); err != nil {
		t.Errorf("no events: %v", err)
	}
	missing, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	missing.Path = "/missing"
	err = InsertEvents(t.Context(), missing.String(), make([]Event, 10_000))
	if err == nil || !strings.Contains(err.Error(), "Code: 81.") {
		t.Errorf("missing database: got error %v, want code 81", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := InsertEvents(ctx, address, make([]Event, 10_000)); err == nil {
		t.Error("cancelled: got no error")
	}
}

func TestInsertEventsInBulk(t *testing.T) {
	address := TestEvents(t)
	events := make([]Event, 200_000)
	for i := range events {
		events[i] = Event{SiteID: uint64(i % 1000), Props: map[string]string{"plan": "pro"}}
	}
	// Under two seconds was measured; the rest is for a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	started := time.Now()
	if err := InsertEvents(ctx, address, events); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events in %v", len(events), time.Since(started))
	if got := queryText(t, address, "SELECT count(), uniqExact(site_id) FROM events_v2"); got != "200000\t1000" {
		t.Errorf("got %q rows and sites, want 200000 and 1000", got)
	}
}
