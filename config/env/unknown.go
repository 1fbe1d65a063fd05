package env

import (
	"fmt"
	"slices"
	"strings"
)

const ownPrefix = "WEBHOOKS_"

// warnUnknown has one warning for each WEBHOOKS_* name that means nothing.
func warnUnknown(present, known []string) Warnings {
	slices.Sort(present)
	var warnings Warnings
	for _, name := range slices.Compact(present) {
		if strings.HasPrefix(name, ownPrefix) && !slices.Contains(known, name) {
			warnings = append(warnings, fmt.Sprintf("%s is not a known variable and is ignored: did you mean %s?", name, nearest(name, known)))
		}
	}
	return warnings
}

// nearest is the known name of ours that takes the fewest edits.
func nearest(name string, known []string) string {
	best, fewest := "", -1
	for _, candidate := range known {
		if !strings.HasPrefix(candidate, ownPrefix) {
			continue
		}
		if d := editDistance(name, candidate); fewest < 0 || d < fewest {
			best, fewest = candidate, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment). Names are ASCII.
func editDistance(a, b string) int {
	beforeLast, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last = last, row
	}
	return last[len(b)]
}
