package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Event is one thing that happened, ready to be rendered for a webhook.
type Event struct {
	Type      Type
	Timestamp time.Time // When it was found to have happened.
	Data      Data
}

// New returns the event that data describes.
func New(at time.Time, data Data) Event {
	return Event{Type: data.Type(), Timestamp: at, Data: data}
}

// Render returns the exact bytes that are stored, signed and sent for the
// event in a format. It fails only on an event that is not well-formed or on
// an unknown format, both of which are mistakes of the caller.
func Render(e Event, f Format) (string, error) {
	if err := e.check(); err != nil {
		return "", fmt.Errorf("render %s event as %s: %w", e.Type, f, err)
	}
	if f == Standard {
		return encode(struct {
			Type      Type      `json:"type"`
			Timestamp time.Time `json:"timestamp"`
			Data      Data      `json:"data"`
		}{e.Type, wholeSecond(e.Timestamp), e.Data.normal()})
	}
	m := e.Data.normal().message()
	if len(m.link) > linkBytes {
		m.link = ""
	}
	switch f {
	case Slack:
		return slack(m)
	case Discord:
		return discord(m)
	case Teams:
		return teams(m)
	case GoogleChat:
		return googleChat(m)
	case Telegram:
		return telegram(m)
	case Ntfy:
		return ntfy(m), nil
	default:
		return "", fmt.Errorf("render %s event: unknown format %q: use one of %s", e.Type, f, list(Formats()))
	}
}

// Headline tells the event in one line of plain text, for people: control
// characters are replaced and long names are cut, but nothing is escaped for
// any medium.
func Headline(e Event) string {
	if e.check() != nil {
		return string(e.Type)
	}
	return e.Data.normal().message().headline
}

func (e Event) check() error {
	if e.Data == nil {
		return fmt.Errorf("it has no data")
	}
	if got := e.Data.Type(); got != e.Type {
		return fmt.Errorf("its data is that of %s", got)
	}
	test, ok := e.Data.(TestData)
	if !ok {
		return nil
	}
	if test.Example.Data == nil || test.Example.Data.Type() != test.Example.Type || test.Example.Type == WebhookTest {
		return fmt.Errorf("its example of %q is missing or of another type", test.Example.Type)
	}
	return nil
}

// encode writes JSON without the HTML escaping that encoding/json does by
// default: receivers that log a payload see names as they are.
func encode(v any) (string, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", fmt.Errorf("encode payload: %w", err)
	}
	return string(bytes.TrimSuffix(body.Bytes(), []byte("\n"))), nil
}
