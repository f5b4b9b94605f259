import ArgumentParser
import Flambeau

/// `flambeau devices`: what tensors can live on here.
struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the devices, and what they compute with.")

  func run() {
    print("cpu  \(threadCount) threads, \(instructionSet) kernels")
  }
}
