package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// pollSeconds is the time between two ticks, and also that between two flushes
// of Plausible's write buffer.
const pollSeconds = 5

// Events of one visit, a minute apart.
const (
	eventsPerVisit = 5
	visitSeconds   = (eventsPerVisit - 1) * 60
)

// What of the events on a page or of a visit a goal waits for.
const (
	signupShare = 0.01 // Of all events: an event goal.
	// newVisitors is the share of visits whose visitor made none before: one
	// visitor in three makes two.
	newVisitors = 0.75
)

// flatHours is how long the rate of the live hour has lasted when it begins:
// longer than the window of every trigger here.
const flatHours = 13

// traffic describes the events of one measurement. History has a daily cycle;
// from start on the rate is level. The same description gives the same rows.
type traffic struct {
	sites      int
	historyDay int   // Rows of each of the days of history.
	perSlice   int   // Rows of each slice from start on, a multiple of eventsPerVisit.
	start      int64 // Where history ends, Unix seconds.
}

const historyDays = 28

func newTraffic(sites int, history, perDay float64, start time.Time) traffic {
	whole := func(rows float64) int {
		return max(eventsPerVisit, int(math.Round(rows/eventsPerVisit))*eventsPerVisit)
	}
	return traffic{
		sites: sites, historyDay: whole(history / historyDays),
		perSlice: whole(perDay * pollSeconds / 86400), start: start.Unix(),
	}
}

// sliceEnd is the last second of a slice; slices count from zero at start.
func (t traffic) sliceEnd(slice int) int64 { return t.start + int64(slice+1)*pollSeconds }

const flatSlices = flatHours * 3600 / pollSeconds

// share is how much of the traffic goes to the site at a place, one being the
// largest: nearly 1/place, as in Zipf's law, so that the shares of all places
// add up to one.
func share(place, sites int) float64 {
	return math.Log1p(1/float64(place)) / math.Log1p(float64(sites))
}

// siteStride scatters the places of sites over their ids: large sites are not
// neighbours in the primary key. It is a prime larger than any number of sites,
// so that each id is taken once.
const siteStride = 2654435761

// siteAt is the id of the site at a place.
func siteAt(place, sites int) int64 { return 1 + int64(place-1)*siteStride%int64(sites) }

// visitors is how many visitors the site with a share of the traffic has in a
// window, on average, as Plausible counts them: by events in the window,
// whenever their visit began.
func (t traffic) visitors(share float64, window int) float64 {
	perSecond := float64(t.perSlice) / eventsPerVisit / pollSeconds * newVisitors
	return perSecond * share * float64(window+visitSeconds)
}

// signups is how many Signup events such a site has in a window, on average.
func (t traffic) signups(share float64, window int) float64 {
	return float64(t.perSlice) / pollSeconds * signupShare * share * float64(window)
}

// conversionPage is the path of a site's page goal in both dialects of SQL, of
// the site's id: one of a dozen usual ones or, for one site in eight, one of
// its own. Odd sites have a wildcard goal; what follows the path differs.
func conversionPage(site, array, text string) string {
	return strings.NewReplacer("{site}", site, "{array}", array, "{text}", text).Replace(
		`({array}['/thank-you', '/thanks', '/order/complete', '/checkout/success', '/welcome', '/signup/done', '/contact/sent',
	'/download/started', '/trial/started', '/newsletter/confirmed', '/booking/confirmed', '/donate/thanks'])[1 + {site} % 12]
	|| case when {site} % 8 = 0 then '-' || {text} else '' end`)
}

// insertEvents makes rows of (visit, nth, at): the number of a visit, which of
// its events, and when. Everything else follows from hashes of these, so that
// the events of a visit agree with each other wherever they are written.
func (t traffic) insertEvents(rows string) string {
	return strings.NewReplacer(
		"{rows}", rows,
		"{sites}", fmt.Sprint(t.sites),
		"{stride}", fmt.Sprint(siteStride),
		"{page}", conversionPage("site", "", "toString(site)"),
	).Replace(`INSERT INTO events_v2 (timestamp, name, site_id, user_id, session_id, hostname, pathname, referrer_source, country_code,
	screen_size, operating_system, browser, browser_version, operating_system_version, utm_source, meta.key, meta.value,
	scroll_depth, engagement_time)
WITH visit - (visit % 4 = 3) AS visitor,
	intHash64(visitor) AS place_drawn,
	intHash64(visitor + 1000000000000) AS traits,
	intHash64(visit * 5 + nth + 2000000000000) AS chance,
	least(toUInt64(exp(place_drawn / 18446744073709551616. * log({sites} + 1))), {sites}) AS place,
	1 + (place - 1) * {stride} % {sites} AS site,
	intHash64(visit * 3 + intDiv(nth, 2)) % 200 AS page
SELECT toDateTime(at),
	multiIf(nth = 1 OR nth = 3 AND chance % 5 < 2, 'engagement', nth < 4, 'pageview', chance % 100 < 5, 'Signup',
		chance % 100 < 10, 'File Download', chance % 100 < 20, 'Outbound Link: Click', 'pageview') AS event,
	site, traits, intHash64(visit), 'site-' || toString(site) || '.example',
	multiIf(page < 60, '/', page < 75, '/pricing',
		page < 77, {page} || if(site % 2 = 1, '/' || toString(traits % 1000), ''),
		page < 100, '/about', page < 150, '/blog/post-' || toString(page % 30), '/docs/chapter-' || toString(page % 20)),
	['', '', '', 'Google', 'Google', 'Google', 'Bing', 'DuckDuckGo', 'Facebook', 'Twitter', 'Hacker News', 'Reddit',
		'LinkedIn', 'newsletter'][1 + traits % 14],
	['US', 'DE', 'GB', 'FR', 'EE', 'IN', 'BR', 'JP'][1 + traits % 8],
	['Desktop', 'Mobile', 'Mobile', 'Tablet'][1 + traits % 4],
	['Windows', 'Mac', 'iOS', 'Android', 'GNU/Linux'][1 + traits % 5],
	['Chrome', 'Safari', 'Firefox', 'Microsoft Edge'][1 + traits % 4],
	toString(120 + traits % 20), toString(10 + traits % 5),
	if(traits % 20 = 0, 'newsletter', ''),
	multiIf(event = 'Signup', ['plan', 'seats'], traits % 5 = 0, ['logged_in'], []),
	multiIf(event = 'Signup', [['free', 'pro', 'team'][1 + chance % 3], toString(1 + chance % 9)], traits % 5 = 0, ['true'], []),
	if(event = 'engagement', if(chance % 10 = 0, 255, chance % 101), 0),
	if(event = 'engagement', chance % 60000, 0)
FROM ({rows})`)
}

// historyInsert fills part of one of the days before start with a daily cycle
// that is highest at the middle of the day, at twice the mean.
func (t traffic) historyInsert(day, part, parts int) string {
	visits := t.historyDay / eventsPerVisit
	from, to := visits*part/parts, visits*(part+1)/parts
	midnight := t.start - int64(historyDays-day)*86400
	return t.insertEvents(fmt.Sprintf(`SELECT intDiv(number, 5) AS visit, number %% 5 AS nth,
	(visit - %d) / %d AS moment, %d + toUInt32(86400 * (moment + 0.08 * sin(2 * pi() * moment))) + nth * 60 AS at
	FROM numbers(%d, %d)`,
		day*visits, visits, midnight, (day*visits+from)*eventsPerVisit, (to-from)*eventsPerVisit))
}

// levelVisits is the number of the first visit after history; no history has
// as many.
const levelVisits = 10_000_000_000

// sliceInsert fills some slices. The nth event of a visit is nth minutes after
// its first, in another slice.
func (t traffic) sliceInsert(slice, slices int) string {
	return t.insertEvents(strings.NewReplacer(
		"{first}", fmt.Sprint(levelVisits), "{rows}", fmt.Sprint(t.perSlice), "{visits}", fmt.Sprint(t.perSlice/eventsPerVisit),
		"{start}", fmt.Sprint(t.start), "{from}", fmt.Sprint(slice*t.perSlice), "{count}", fmt.Sprint(slices*t.perSlice),
	).Replace(`SELECT toUInt64({first} + (intDiv(number, {rows}) - 12 * nth) * {visits} + intDiv(number % {rows}, 5)) AS visit,
	number % 5 AS nth, {start} + intDiv(number, {rows}) * 5 + 1 + intHash64(number) % 5 AS at FROM numbers({from}, {count})`))
}
