package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

func (c checkCommand) print(p program, groups [][]finding) error {
	groups = slices.DeleteFunc(groups, func(g []finding) bool { return len(g) == 0 })
	all := slices.Concat(groups...)
	counts := make(map[level]int)
	for _, f := range all {
		counts[f.Level]++
	}
	if c.JSON {
		if err := p.printJSON(all); err != nil {
			return err
		}
	} else {
		p.printFindings(groups, counts)
	}
	if counts[levelFailure] > 0 {
		return quietly{}
	}
	return nil
}

// A level is a symbol and a colour: neither is needed to understand the other.
var (
	levelColours = map[level]string{levelOK: "32", levelWarning: "33", levelFailure: "31"}
	levelSymbols = map[level]string{levelOK: "✓", levelWarning: "!", levelFailure: "✗"}
	levelWords   = map[level]string{levelOK: "ok", levelWarning: "warning", levelFailure: "FAILURE"}
)

// marks are the levels as this output can show them, and how wide they are.
func (p program) marks() (marks map[level]string, width int) {
	marks = levelWords
	if p.unicode() {
		marks = levelSymbols
	}
	for _, text := range marks {
		width = max(width, utf8.RuneCountInString(text))
	}
	return marks, width
}

// narrowestResult is what a result is never wrapped below.
const narrowestResult = 24

func (p program) printFindings(groups [][]finding, counts map[level]int) {
	marks, markWidth := p.marks()
	widest := 0
	for _, f := range slices.Concat(groups...) {
		widest = max(widest, utf8.RuneCountInString(f.Check))
	}
	margin := strings.Repeat(" ", markWidth+2+widest+2)
	columns := 0 // On a terminal only: elsewhere one line is one finding.
	if terminal := p.terminalColumns(); terminal > 0 {
		columns = max(terminal-len(margin), narrowestResult)
	}
	arrow := "-> "
	if p.unicode() {
		arrow = "→ "
	}
	for i, group := range groups {
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		for _, f := range group {
			mark := marks[f.Level] + strings.Repeat(" ", markWidth-utf8.RuneCountInString(marks[f.Level]))
			result := strings.ReplaceAll(wrap(oneLine(f.Result), columns), "\n", "\n"+margin)
			fmt.Fprintf(p.stdout, "%s  %-*s  %s\n", p.painted(levelColours[f.Level], mark), widest, f.Check, result)
			for i, line := range mendLines(f.Mend) {
				lead := strings.Repeat(" ", utf8.RuneCountInString(arrow))
				if i == 0 {
					lead = arrow
				}
				// Never wrapped: it is there to be copied.
				fmt.Fprintln(p.stdout, margin+lead+line)
			}
		}
	}
	fmt.Fprintln(p.stdout, "\n"+p.summary(counts))
}

// mendLines has no line where nothing is to be mended.
func mendLines(mend string) []string {
	if mend == "" {
		return nil
	}
	return strings.Split(mend, "\n")
}

func (p program) summary(counts map[level]int) string {
	warnings := counted(counts[levelWarning], "warning", "warnings")
	switch {
	case counts[levelFailure] > 0 && counts[levelWarning] > 0:
		return p.painted(levelColours[levelFailure], counted(counts[levelFailure], "failure", "failures")+" and "+warnings+": webhooks do not work like this.")
	case counts[levelFailure] > 0:
		return p.painted(levelColours[levelFailure], counted(counts[levelFailure], "failure", "failures")+": webhooks do not work like this.")
	case counts[levelWarning] > 0:
		return p.painted(levelColours[levelWarning], "No failures, "+warnings+": webhooks work.")
	}
	return p.painted(levelColours[levelOK], "Everything is in order.")
}

// painted is a text in a colour, on a terminal.
func (p program) painted(code, text string) string {
	if !p.colour() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
