package event_test

import (
	"testing"

	"plausible-webhooks/config/event"
)

func FuzzStandard(f *testing.F)   { fuzz(f, event.Standard) }
func FuzzSlack(f *testing.F)      { fuzz(f, event.Slack) }
func FuzzDiscord(f *testing.F)    { fuzz(f, event.Discord) }
func FuzzTeams(f *testing.F)      { fuzz(f, event.Teams) }
func FuzzGoogleChat(f *testing.F) { fuzz(f, event.GoogleChat) }
func FuzzTelegram(f *testing.F)   { fuzz(f, event.Telegram) }
func FuzzNtfy(f *testing.F)       { fuzz(f, event.Ntfy) }

// fuzz renders events in which every name is one of two, in turn, and judges
// them as the service would.
func fuzz(f *testing.F, format event.Format) {
	for i, bad := range hostile {
		f.Add(bad, "", uint8(i), uint32(i))
		f.Add(hostile[(i+1)%len(hostile)], bad, uint8(i+sampleCount), uint32(1))
	}
	f.Fuzz(func(t *testing.T, a, b string, pick uint8, number uint32) {
		odd := false
		name := func() string {
			if odd = !odd; odd {
				return a
			}
			return b
		}
		for _, problem := range problemsIn(format, eventOf(name, int(pick)%(2*sampleCount), int(number)+1)) {
			t.Error(problem)
		}
	})
}
