package event

import "fmt"

func (d DisabledData) message() message {
	var m message
	off := d.Disabled
	what := "A webhook"
	if off.Name != "" {
		what = fmt.Sprintf(`Webhook "%s"`, name(off.Name))
	}
	if d.Site != nil {
		what += " of " + name(d.Site.Domain)
	}
	why := "none of its requests succeed any more"
	if off.Reason == Gone {
		why = "its receiver says that it is gone for good (410)"
	}
	m.headline = what + " was disabled: " + why
	if d.DashboardURL != nil {
		m.link = *d.DashboardURL
	}
	m.add("Receiver", name(off.Host))
	if off.Since != nil {
		m.add("Failing since", clock(*off.Since))
	}
	switch {
	case off.LastError != nil:
		m.add("Last attempt", name(*off.LastError))
	case off.LastStatusCode != nil:
		m.add("Last attempt", fmt.Sprintf("answered %d", *off.LastStatusCode))
	}
	m.add("What to do", "fix the receiver or the webhook's URL, then enable the webhook again; what fired meanwhile is kept and can be resent")
	return m
}
