package sender_test

import (
	"testing"

	"plausible-webhooks/sender"
)

func TestNtfyGetsATitleAndALink(t *testing.T) {
	b := newBed(t)
	const body = "Only 3 visitors on b\u00fccher.\u200bexample in the last hour\nhttps://plausible.example.com/b%C3%BCcher.example"
	tests := []struct {
		path, query, headers string
		title, click         string
	}{
		{"/topic", "", "{}", "=?utf-8?q?Traffic_drop:_b=C3=BCcher.example?=", "https://plausible.example.com/b%C3%BCcher.example"},
		{"/query", "?title=Mine&priority=high", "{}", "", "https://plausible.example.com/b%C3%BCcher.example"},
		{"/headers", "", `{"title": "Mine", "Click": "https://ops.example.com"}`, "Mine", "https://ops.example.com"},
	}
	b.start(b.options())
	for _, test := range tests {
		hook := b.webhook(b.receiver.URL(test.path+test.query), nil)
		b.exec("update plausible_webhooks.webhooks set format = 'ntfy', headers = $2::text::jsonb where id = $1", hook, test.headers)
		id := value[string](b, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, format, payload)
			values ($1, 'traffic.drop', 'ntfy', $2) returning id::text`, hook, body)
		b.untilStatus(id, sender.StatusDelivered)
		got := b.requests(test.path, 1)[0]
		if got.Header.Get("Title") != test.title || got.Header.Get("Click") != test.click || string(got.Body) != body {
			t.Errorf("%s: got title %q, click %q and body %q; want %q, %q and the payload", test.path+test.query,
				got.Header.Get("Title"), got.Header.Get("Click"), got.Body, test.title, test.click)
		}
		for _, name := range []string{"X-Webhook-Signature", "Webhook-Signature"} {
			if got.Header.Get(name) != "" {
				t.Errorf("%s: %s is sent to a service that checks none", test.path, name)
			}
		}
	}
}
