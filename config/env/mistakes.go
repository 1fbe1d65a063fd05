package env

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one value of the environment that cannot be used.
type Mistake struct {
	Variable string

	// Got is the value as it may be shown, quoted or described; empty where
	// nothing of it may be.
	Got string

	// Want says what would be right, with an example where that helps.
	Want string
}

func (m Mistake) String() string {
	if m.Got == "" {
		return fmt.Sprintf("%s: want %s", m.Variable, m.Want)
	}
	return fmt.Sprintf("%s: got %s, want %s", m.Variable, m.Got, m.Want)
}

// Mistakes are all that is wrong, in the order of the documentation.
type Mistakes []Mistake

// Error has one line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

func (m *Mistakes) add(variable, got, want string) {
	// A value that could not be read is not worth a second line.
	if !m.about(variable) {
		*m = append(*m, Mistake{Variable: variable, Got: got, Want: want})
	}
}

func (m Mistakes) about(variable string) bool {
	return slices.ContainsFunc(m, func(mistake Mistake) bool { return mistake.Variable == variable })
}

// sorted orders mistakes as the variables are declared.
func (m Mistakes) sorted(order []string) Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Compare(slices.Index(order, a.Variable), slices.Index(order, b.Variable))
	})
	return m
}

// Warnings are what should be told, but does not stop the program: one
// sentence each, without a full stop, fit for a log line.
type Warnings []string
