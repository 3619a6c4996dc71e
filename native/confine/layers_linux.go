package confine

import "slices"

// Layers tells, for each layer, whether this host can give it, and what to do
// where it cannot. It restricts nothing.
func Layers() []LayerStatus { return layerStatus(&Spec{}) }

// layerStatus is Layers for a process of these users.
func layerStatus(s *Spec) []LayerStatus {
	return []LayerStatus{
		limitsStatus(),
		// In every kernel that has filters (prctl(2): Linux 3.5).
		{Name: LayerNoNewPrivs, Available: true},
		{Name: LayerCapabilities, Available: true},
		uidStatus(s),
		namespacesStatus(),
		landlockStatus(),
		seccompStatus(),
		cgroupStatus(),
	}
}

// choose returns the layers a process gets, or the error of the first that is
// missing.
func choose(s Spec) ([]string, error) {
	var active []string
	for _, layer := range layerStatus(&s) {
		needed := !layer.Optional && !s.BestEffort || slices.Contains(s.Require, layer.Name)
		switch {
		case layer.Available:
			active = append(active, layer.Name)
		case needed:
			return nil, &LayerError{Layer: layer.Name, Reason: layer.Why, Optional: layer.Optional, Hint: layer.Remedy + "; " + dispense(layer)}
		}
	}
	return active, nil
}

// dispense says what a caller does who can do without a layer.
func dispense(layer LayerStatus) string {
	if layer.Optional {
		return "or do not require this layer"
	}
	return "best effort runs without this layer"
}
