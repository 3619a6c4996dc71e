// Package pattern has regular expressions that are compiled when they are
// first used: a program that embeds the engine starts without those that it
// never needs.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy returns a function that compiles an expression the first time it is
// called. It panics then if the expression is wrong. It is safe for concurrent
// use.
func Lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
