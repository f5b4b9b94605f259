import FlambeauNN
import Testing

/// This file imports FlambeauNN alone.
@Suite struct ExportsTests {
  @Test func theStateOfAModuleNeedsNoOtherImport() throws {
    let state: StateDict = Linear(2, 3).stateDict()
    let names: KeyRenaming = [.prefix("w", "W")]
    #expect(try state.renamed(names).keys == ["Weight", "bias"])
  }
}
