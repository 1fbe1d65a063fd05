package event

// Adaptive Card 1.4 is what Teams shows on all its clients. Text goes into
// TextRuns and never into TextBlocks: a TextRun is shown as it is, while a
// TextBlock reads Markdown with an escape that differs between clients.

type teamsMessage struct {
	Type        string            `json:"type"`
	Summary     string            `json:"summary"` // Shown in notifications.
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"`
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string        `json:"$schema"`
	Type    string        `json:"type"`
	Version string        `json:"version"`
	Body    []teamsText   `json:"body"`
	Actions []teamsAction `json:"actions"`
}

type teamsText struct {
	Type    string     `json:"type"`
	Inlines []teamsRun `json:"inlines"`
}

type teamsRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
}

type teamsAction struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// teams drops facts from the end where the message would be too large.
func teams(m message) (string, error) {
	for n := len(m.facts); ; n-- {
		body, err := encode(teamsCardOf(m, m.facts[:n]))
		if err != nil || n == 0 || 2*utf16Units(body) <= teamsBytes {
			return body, err
		}
	}
}

func teamsCardOf(m message, facts []fact) teamsMessage {
	headline := disarm(m.headline)
	card := teamsCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Body:    []teamsText{paragraph(teamsRun{Text: headline, Size: "Medium", Weight: "Bolder"})},
		Actions: []teamsAction{},
	}
	for _, f := range facts {
		card.Body = append(card.Body, paragraph(
			teamsRun{Text: disarm(f.label) + ": ", Weight: "Bolder"},
			teamsRun{Text: disarm(f.value)},
		))
	}
	if m.link != "" {
		card.Actions = append(card.Actions, teamsAction{Type: "Action.OpenUrl", Title: linkText, URL: m.link})
	}
	return teamsMessage{
		Type: "message", Summary: headline,
		Attachments: []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: card}},
	}
}

func paragraph(runs ...teamsRun) teamsText {
	for i := range runs {
		runs[i].Type = "TextRun"
	}
	return teamsText{Type: "RichTextBlock", Inlines: runs}
}
