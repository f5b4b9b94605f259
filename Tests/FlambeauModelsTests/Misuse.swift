import Flambeau

/// What is refused of `body`; empty if nothing is.
func problem(_ body: () -> Void) -> String {
  do {
    try withTensorErrors(body)
    return ""
  } catch { return "\(error)" }
}
