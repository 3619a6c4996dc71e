// Package native holds the heavy work that follows a verdict: the tools that
// touch image data, each a confined process, and the host side of the
// hand-off. Only packages below this folder start processes, and each of
// their functions takes a vetted image, never a path.
package native
