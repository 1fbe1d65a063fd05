package stack

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// CreateDatabase makes a database with the events_v2 and sessions_v2 of Plausible v3.2 and returns its URL. A name is letters, digits and underscores.
func (c *ClickHouse) CreateDatabase(ctx context.Context, name string) (url string, err error) {
	return c.CreateDatabaseOf(ctx, V32, name)
}

// CreateDatabaseOf is CreateDatabase for a release line: V21 has no scroll
// depth, engagement time and batch, V30 has no batch.
func (c *ClickHouse) CreateDatabaseOf(ctx context.Context, version PlausibleVersion, name string) (url string, err error) {
	if !databaseName.MatchString(name) {
		return "", fmt.Errorf("create clickhouse database %q: its name may hold letters, digits and underscores only", name)
	}
	if !slices.Contains(PlausibleVersions(), version) {
		return "", fmt.Errorf("create clickhouse database %s: there are no tables of Plausible %q", name, version)
	}
	if _, err := send(ctx, c.URL(""), "CREATE DATABASE "+name, nil, nil); err != nil {
		return "", fmt.Errorf("create clickhouse database %s: %w", name, err)
	}
	address := c.URL(name)
	for _, table := range []string{eventsTable(version), sessionsTable(version)} {
		if _, err := send(ctx, address, table, nil, nil); err != nil {
			return "", fmt.Errorf("create plausible's tables in %s: %w", name, err)
		}
	}
	return address, nil
}

// DropDatabase removes a database at once.
func (c *ClickHouse) DropDatabase(ctx context.Context, name string) error {
	if !databaseName.MatchString(name) {
		return fmt.Errorf("drop clickhouse database %q: its name may hold letters, digits and underscores only", name)
	}
	if _, err := send(ctx, c.URL(""), "DROP DATABASE IF EXISTS "+name, nil, nil); err != nil {
		return fmt.Errorf("drop clickhouse database %s: %w", name, err)
	}
	return nil
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// acquisitionChannel stands in for Plausible's much longer expression, which
// asks dictionaries of sources that the devstack does not have. The names of the channels
// are Plausible's; only clear cases get one.
const acquisitionChannel = `multiIf(
	click_id_param != '' OR lower(utm_medium) IN ('cpc', 'ppc'), 'Paid Search',
	lower(utm_medium) = 'email', 'Email',
	referrer_source IN ('Google', 'Bing', 'DuckDuckGo'), 'Organic Search',
	referrer_source IN ('Facebook', 'Twitter', 'LinkedIn', 'Hacker News', 'Reddit'), 'Organic Social',
	referrer_source = '' AND utm_source = '' AND utm_medium = '', 'Direct',
	'Referral')`

// aliases are computed when they are read. Those that need the dictionary of locations, *_name, are left out.
const aliases = `
	country String ALIAS toString(country_code),
	region String ALIAS subdivision1_code,
	city UInt32 ALIAS city_geoname_id,
	device String ALIAS screen_size,
	screen String ALIAS screen_size,
	os String ALIAS operating_system,
	os_version String ALIAS operating_system_version,
	source String ALIAS referrer_source`

func eventsTable(version PlausibleVersion) string {
	var later []string
	if version != V21 {
		later = append(later, "scroll_depth UInt8", "engagement_time UInt32")
	}
	if version == V32 {
		later = append(later, "batch UInt64", "INDEX minmax_batch batch TYPE minmax GRANULARITY 1")
	}
	return `CREATE TABLE events_v2 (
	timestamp DateTime,
	name LowCardinality(String),
	site_id UInt64,
	user_id UInt64,
	session_id UInt64,
	hostname String,
	pathname String,
	referrer String,
	referrer_source String,
	country_code FixedString(2),
	screen_size LowCardinality(String),
	operating_system LowCardinality(String),
	browser LowCardinality(String),
	utm_medium String,
	utm_source String,
	utm_campaign String,
	` + "`meta.key` Array(String),\n\t`meta.value` Array(String)," + `
	browser_version LowCardinality(String),
	operating_system_version LowCardinality(String),
	subdivision1_code LowCardinality(String),
	subdivision2_code LowCardinality(String),
	city_geoname_id UInt32,
	utm_content String,
	utm_term String,
	revenue_reporting_amount Nullable(Decimal(18, 3)),
	revenue_reporting_currency FixedString(3),
	revenue_source_amount Nullable(Decimal(18, 3)),
	revenue_source_currency FixedString(3),
	channel LowCardinality(String),
	click_id_param LowCardinality(String),
	` + lines(later) + `acquisition_channel LowCardinality(String) MATERIALIZED ` + acquisitionChannel + `,` + aliases + `
) ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
PRIMARY KEY (site_id, toDate(timestamp), name, user_id)
ORDER BY (site_id, toDate(timestamp), name, user_id, timestamp)
SAMPLE BY user_id
SETTINGS index_granularity = 8192`
}

func sessionsTable(version PlausibleVersion) string {
	var later []string
	if version == V32 {
		later = append(later, "batch UInt64", "INDEX minmax_batch batch TYPE minmax GRANULARITY 1")
	}
	return `CREATE TABLE sessions_v2 (
	session_id UInt64,
	sign Int8,
	site_id UInt64,
	user_id UInt64,
	hostname String,
	timestamp DateTime,
	start DateTime,
	is_bounce UInt8,
	entry_page String,
	exit_page String,
	exit_page_hostname String,
	pageviews Int32,
	events Int32,
	duration UInt32,
	referrer String,
	referrer_source String,
	country_code LowCardinality(FixedString(2)),
	screen_size LowCardinality(String),
	operating_system LowCardinality(String),
	browser LowCardinality(String),
	utm_medium String,
	utm_source String,
	utm_campaign String,
	browser_version LowCardinality(String),
	operating_system_version LowCardinality(String),
	subdivision1_code LowCardinality(String),
	subdivision2_code LowCardinality(String),
	city_geoname_id UInt32,
	utm_content String,
	utm_term String,
	transferred_from String,
	` + "`entry_meta.key` Array(String),\n\t`entry_meta.value` Array(String)," + `
	channel LowCardinality(String),
	click_id_param LowCardinality(String),
	` + lines(later) + `acquisition_channel LowCardinality(String) MATERIALIZED ` + acquisitionChannel + `,
	entry_page_hostname String ALIAS hostname,` + aliases + `,
	INDEX minmax_timestamp timestamp TYPE minmax GRANULARITY 1
) ENGINE = VersionedCollapsingMergeTree(sign, events)
PARTITION BY toYYYYMM(start)
PRIMARY KEY (site_id, toDate(start), user_id, session_id)
ORDER BY (site_id, toDate(start), user_id, session_id)
SAMPLE BY user_id
SETTINGS index_granularity = 8192`
}

func lines(columns []string) string {
	var text strings.Builder
	for _, column := range columns {
		text.WriteString(column + ",\n\t")
	}
	return text.String()
}
