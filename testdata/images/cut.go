package images

import "fmt"

// qcow2Cut returns a valid image that ends too early: inside the header, and
// at each boundary of a cluster. What the header points to is missed at once;
// what the tables map only by a deep inspection.
func qcow2Cut() []Case {
	var cases []Case
	for _, n := range []int{4, 8, 24, 71, 72, 103} {
		cases = append(cases, Case{
			Name: fmt.Sprintf("qcow2-cut-in-header-%d", n), WantFormat: "qcow2", WantFinding: "qcow2.header-cut",
			Build: func() []byte { return Qcow2()[:n] },
		})
	}
	for n := cluster; n < end; n += cluster {
		cases = append(cases, Case{
			Name: fmt.Sprintf("qcow2-cut-at-cluster-%d", n/cluster), WantFormat: "qcow2", WantFinding: "qcow2.incomplete",
			Deep:  n > l1Table, // the header points to the tables; those point to the rest
			Build: func() []byte { return Qcow2()[:n] },
		})
	}
	return append(cases, Case{
		Name: "qcow2-cut-in-last-cluster", WantFormat: "qcow2", WantFinding: "qcow2.incomplete", Deep: true,
		Build: func() []byte { return Qcow2()[:lastData+512] },
	})
}
