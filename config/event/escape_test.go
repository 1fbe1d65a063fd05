package event

import "testing"

func TestEscapesAreThoseOfEachService(t *testing.T) {
	const z = zeroWidth
	tests := []struct {
		given, slack, discord, googleChat, telegram, plain string
	}{
		{"Hacker News", "Hacker News", "Hacker News", "Hacker News", "Hacker News", "Hacker News"},
		{"R&D <b>", "R&amp;D &lt;b&gt;", `R&D \<b\>`, "R&D ‹b›", "R&D <b>", "R&D <b>"},
		{"&lt;!here&gt;", "&amp;lt;!here&amp;gt;", "&lt;!here&gt;", "&lt;!here&gt;", "&lt;!here&gt;", "&lt;!here&gt;"},
		{"/my_page", "/my_page", `/my\_page`, "/my_page", "/" + z + "my_page", "/my_page"},
		{"_it_ a_", "ˍitˍ aˍ", `\_it\_ a\_`, "ˍitˍ aˍ", "_it_ a_", "_it_ a_"},
		{"/docs/**", "/docs/∗∗", `/docs/\*\*`, "/docs/∗∗", "/" + z + "docs/" + z + "**", "/docs/**"},
		{"@all a@b @ c", "@" + z + "all a@" + z + "b @ c", "@" + z + "all a@" + z + "b @ c", "@" + z + "all a@" + z + "b @ c", "@" + z + "all a@" + z + "b @ c", "@" + z + "all a@" + z + "b @ c"},
		{"x.`y", "x." + z + "ˋy", "x.\\`y", "x." + z + "ˋy", "x.`y", "x.`y"},
		{"x.com. 3.5", "x." + z + "com. 3." + z + "5", "x." + z + "com. 3." + z + "5", "x." + z + "com. 3." + z + "5", "x." + z + "com. 3." + z + "5", "x." + z + "com. 3." + z + "5"},
		{"x。com ＠all", "x。" + z + "com ＠" + z + "all", "x。" + z + "com ＠" + z + "all", "x。" + z + "com ＠" + z + "all", "x。" + z + "com ＠" + z + "all", "x。" + z + "com ＠" + z + "all"},
		{"x.\ufe0fcom", "x." + z + "\ufe0fcom", "x." + z + "\ufe0fcom", "x." + z + "\ufe0fcom", "x." + z + "\ufe0fcom", "x." + z + "\ufe0fcom"},
		{"[a](b)", "[a]" + z + "(b)", `\[a\]` + z + `(b)`, "[a]" + z + "(b)", "[a]" + z + "(b)", "[a]" + z + "(b)"},
		{`\*`, `\∗`, `\\\*`, `\∗`, `\*`, `\*`},
		{"#1 $5", "#1 $5", `\#1 $5`, "#1 $5", "#" + z + "1 $" + z + "5", "#1 $5"},
	}
	for _, test := range tests {
		for _, c := range []struct {
			medium    string
			got, want string
		}{
			{"slack", escapeSlack(test.given), test.slack},
			{"discord", escapeDiscord(test.given), test.discord},
			{"googlechat", escapeGoogleChat(test.given), test.googleChat},
			{"telegram", disarmTelegram(test.given), test.telegram},
			{"teams and ntfy", disarm(test.given), test.plain},
		} {
			if c.got != c.want {
				t.Errorf("%s of %q = %q, want %q", c.medium, test.given, c.got, c.want)
			}
		}
	}
}

func TestAnAddressCannotEndItsOwnLink(t *testing.T) {
	got := angleLink("https://p.example.com/x>|<!channel> y")
	if want := "<https://p.example.com/x%3E%7C%3C!channel%3E%20y|Open the dashboard>"; got != want {
		t.Errorf("angleLink = %q, want %q", got, want)
	}
}

func TestOnlyThreeOfAListAreShown(t *testing.T) {
	list := []Count{{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}}
	if got, want := counts(list), "a (1), b (2), c (3)"; got != want {
		t.Errorf("counts = %q, want %q", got, want)
	}
}
