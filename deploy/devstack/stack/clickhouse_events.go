package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"time"
)

// ScrollDepthMissing is what Plausible stores for an engagement event that
// told no scroll depth. Other events have 0.
const ScrollDepthMissing = 255

// Event is one row of events_v2. Fields that are zero get what Plausible would
// store or, where every visit has its own, something new.
type Event struct {
	SiteID    uint64
	Timestamp time.Time         // Stored in whole seconds; zero is now.
	Name      string            // Empty is "pageview".
	UserID    uint64            // Zero is a visitor of its own.
	SessionID uint64            // Zero is the user id.
	Hostname  string            // Empty is "example.com".
	Pathname  string            // Empty is "/".
	Props     map[string]string // Become meta.key and meta.value, sorted by key.

	Referrer       string
	ReferrerSource string
	UTMMedium      string
	UTMSource      string
	UTMCampaign    string
	UTMContent     string
	UTMTerm        string
	ClickIDParam   string // "gclid" or "msclkid".

	CountryCode     string // Two letters.
	ScreenSize      string // Such as "Desktop".
	OperatingSystem string
	Browser         string

	ScrollDepth    uint8  // Percent; of an engagement, ScrollDepthMissing if none was told. Stored as it is.
	EngagementTime uint32 // Milliseconds.
	Batch          uint64
}

// InsertEvents writes events to the events_v2 of a database with one insert,
// so that either all or none are there (blocks of a million rows). It
// returns when they can be queried. Columns that an older table lacks are dropped. Address is the
// URL of a database, of the devstack or of any server.
func InsertEvents(ctx context.Context, address string, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, writer := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		writer.CloseWithError(writeEvents(writer, events, time.Now()))
	}()
	_, err := send(ctx, address, "INSERT INTO events_v2 FORMAT JSONEachRow",
		url.Values{"input_format_skip_unknown_fields": {"1"}}, rows)
	rows.Close() // Ends the writer if the server refused before it read all.
	<-written
	if err != nil {
		return fmt.Errorf("insert %d events: %w", len(events), err)
	}
	return nil
}

func writeEvents(w io.Writer, events []Event, now time.Time) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for _, event := range events {
		if err := encoder.Encode(event.row(now)); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// eventRow is an Event with its defaults, in the words of events_v2.
type eventRow struct {
	Timestamp       int64    `json:"timestamp"`
	Name            string   `json:"name"`
	SiteID          uint64   `json:"site_id"`
	UserID          uint64   `json:"user_id"`
	SessionID       uint64   `json:"session_id"`
	Hostname        string   `json:"hostname"`
	Pathname        string   `json:"pathname"`
	MetaKey         []string `json:"meta.key"`
	MetaValue       []string `json:"meta.value"`
	Referrer        string   `json:"referrer,omitempty"`
	ReferrerSource  string   `json:"referrer_source,omitempty"`
	UTMMedium       string   `json:"utm_medium,omitempty"`
	UTMSource       string   `json:"utm_source,omitempty"`
	UTMCampaign     string   `json:"utm_campaign,omitempty"`
	UTMContent      string   `json:"utm_content,omitempty"`
	UTMTerm         string   `json:"utm_term,omitempty"`
	ClickIDParam    string   `json:"click_id_param,omitempty"`
	CountryCode     string   `json:"country_code,omitempty"`
	ScreenSize      string   `json:"screen_size,omitempty"`
	OperatingSystem string   `json:"operating_system,omitempty"`
	Browser         string   `json:"browser,omitempty"`
	ScrollDepth     uint8    `json:"scroll_depth"`
	EngagementTime  uint32   `json:"engagement_time,omitempty"`
	Batch           uint64   `json:"batch,omitempty"`
}

func (e Event) row(now time.Time) eventRow {
	row := eventRow{
		Timestamp: e.Timestamp.Unix(), Name: e.Name, SiteID: e.SiteID, UserID: e.UserID, SessionID: e.SessionID,
		Hostname: e.Hostname, Pathname: e.Pathname,
		MetaKey: slices.Sorted(maps.Keys(e.Props)), MetaValue: []string{},
		Referrer: e.Referrer, ReferrerSource: e.ReferrerSource,
		UTMMedium: e.UTMMedium, UTMSource: e.UTMSource, UTMCampaign: e.UTMCampaign,
		UTMContent: e.UTMContent, UTMTerm: e.UTMTerm, ClickIDParam: e.ClickIDParam,
		CountryCode: e.CountryCode, ScreenSize: e.ScreenSize, OperatingSystem: e.OperatingSystem, Browser: e.Browser,
		ScrollDepth: e.ScrollDepth, EngagementTime: e.EngagementTime, Batch: e.Batch,
	}
	for _, key := range row.MetaKey {
		row.MetaValue = append(row.MetaValue, e.Props[key])
	}
	if row.MetaKey == nil {
		row.MetaKey = []string{}
	}
	if e.Timestamp.IsZero() {
		row.Timestamp = now.Unix()
	}
	if row.UserID == 0 {
		row.UserID = rand.Uint64()
	}
	if row.SessionID == 0 {
		row.SessionID = row.UserID
	}
	if row.Name == "" {
		row.Name = "pageview"
	}
	if row.Hostname == "" {
		row.Hostname = "example.com"
	}
	if row.Pathname == "" {
		row.Pathname = "/"
	}
	return row
}
