package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// didYouMean is the end of a sentence that names the known text nearest to
// what was entered, or the only few there are.
func didYouMean(entered string, known []string) string {
	best, distance := "", 0
	for _, candidate := range known {
		d := editDistance(strings.ToLower(entered), strings.ToLower(candidate))
		if best == "" || d < distance {
			best, distance = candidate, d
		}
	}
	// Half of it wrong is another word, not a slip.
	if best != "" && (distance <= utf8.RuneCountInString(entered)/2 || contains(entered, best)) {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	const few = 5
	if len(known) <= few {
		quoted := make([]string, len(known))
		for i, k := range known {
			quoted[i] = fmt.Sprintf("%q", k)
		}
		return "; it knows " + strings.Join(quoted, ", ")
	}
	return ""
}

func contains(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a != "" && (strings.Contains(a, b) || strings.Contains(b, a))
}

// editDistance is Levenshtein's, in characters.
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			cost := diagonal
			if r != s {
				cost = min(diagonal, row[j+1], row[j]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(to)]
}
