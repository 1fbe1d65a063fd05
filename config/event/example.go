package event

import "time"

// exampleEpisode is no real episode's: its random part is all zeros.
const exampleEpisode = "01990000-0000-7000-8000-000000000000"

// Example builds a webhook.test event with a believable, invented event of
// type t inside; t being webhook.test or unknown, one of traffic.spike. A zero
// site stands for a test of an instance-wide webhook: the test then names no
// site, and the invented event one called example.com.
func Example(at time.Time, t Type, site Site, webhook Webhook, baseURL string) Event {
	test := TestData{Webhook: webhook}
	if site == (Site{}) {
		site = Site{ID: 1, Domain: "example.com"}
	} else {
		own, dashboard := site, DashboardURL(baseURL, site.Domain, false)
		test.Site, test.DashboardURL = &own, &dashboard
	}
	sample := sampleData(at, t, Origin{Site: site, Webhook: webhook}, baseURL)
	test.Example = Sample{Type: sample.Type(), Data: sample}
	return New(at, test)
}

func sampleData(at time.Time, t Type, origin Origin, baseURL string) Data {
	const (
		fiveMinutes  = 300
		oneHour      = 3600
		twelveHours  = 43200
		fiveDays     = 5 * 86400
		spikeSeconds = 2*3600 + 5*60
		dropSeconds  = 6*3600 + 40*60
	)
	dashboard := DashboardURL(baseURL, origin.Site.Domain, false)
	realtime := DashboardURL(baseURL, origin.Site.Domain, true)
	episodic := func(threshold, window int) Origin {
		origin.Trigger = Trigger{ID: 1, Threshold: &threshold, WindowSeconds: &window, CooldownSeconds: new(twelveHours)}
		return origin
	}
	began := func(secondsAgo int) Episode {
		return Episode{ID: exampleEpisode, StartedAt: at.Add(-time.Duration(secondsAgo) * time.Second), Firing: 1}
	}
	signup := Goal{ID: 1, Name: "Signup", Kind: "event"}
	switch t {
	case TrafficSpikeEnded:
		return SpikeEndedData{
			Origin: episodic(100, fiveMinutes), Episode: began(spikeSeconds), Reason: Recovered,
			CurrentVisitors: new(41), PeakVisitors: 187, DurationSeconds: spikeSeconds, DashboardURL: realtime,
		}
	case TrafficDrop:
		return DropData{
			Origin: episodic(10, twelveHours), Episode: began(0),
			Visitors: 3, WindowSeconds: twelveHours, DashboardURL: dashboard,
		}
	case TrafficDropEnded:
		return DropEndedData{
			Origin: episodic(10, twelveHours), Episode: began(dropSeconds), Reason: Recovered,
			Visitors: new(25), DurationSeconds: dropSeconds, DashboardURL: dashboard,
		}
	case GoalCompleted:
		origin.Trigger = Trigger{ID: 1, CooldownSeconds: new(0)}
		return GoalData{
			Origin: origin, Goal: signup,
			Conversions: 3, Visitors: 2, Period: Period{From: at.Add(-4 * time.Second), To: at.Add(-time.Second)},
			TopSources:   []Count{{Name: "Google", Visitors: 1}},
			DashboardURL: dashboard,
		}
	case GoalThreshold:
		return GoalThresholdData{
			Origin: episodic(100, oneHour), Episode: began(0), Goal: signup,
			Conversions: 120, Visitors: 96, WindowSeconds: oneHour,
			TopSources:   []Count{{Name: "Hacker News", Visitors: 71}, {Name: "Google", Visitors: 12}, {Name: "Reddit", Visitors: 4}},
			DashboardURL: dashboard,
		}
	case GoalThresholdEnded:
		return GoalThresholdEndedData{
			Origin: episodic(100, oneHour), Episode: began(spikeSeconds), Goal: signup, Reason: Recovered,
			Conversions: new(41), PeakConversions: 187, DurationSeconds: spikeSeconds, DashboardURL: dashboard,
		}
	case WebhookDisabled:
		since, unavailable := at.Add(-fiveDays*time.Second), "answered 503 Service Unavailable"
		return DisabledData{
			Site: &origin.Site, Webhook: origin.Webhook, DashboardURL: &dashboard,
			Disabled: Disabled{
				ID: 1, Name: "CRM", Host: "crm.example.com", Reason: Failing, Since: &since,
				LastStatusCode: new(503), LastError: &unavailable,
			},
		}
	default:
		return SpikeData{
			Origin: episodic(100, fiveMinutes), Episode: began(0),
			CurrentVisitors: 132, WindowSeconds: fiveMinutes,
			TopSources:   []Count{{Name: "Hacker News", Visitors: 80}, {Name: "Google", Visitors: 17}, {Name: "Reddit", Visitors: 9}},
			TopPages:     []Count{{Name: "/blog/launch", Visitors: 95}, {Name: "/", Visitors: 38}, {Name: "/pricing", Visitors: 12}},
			DashboardURL: realtime,
		}
	}
}
