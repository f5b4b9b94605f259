import Flambeau
import FlambeauData
import FlambeauNN
import FlambeauTraining

/// What a run learns: the data, the network, how it steps and what it is judged by.
struct Lesson<Source: Dataset> where Source.Sample == Example {
  let name: String
  /// How much there is to learn and to be judged by.
  let summary: String
  /// What a target is one of: `images` or `tokens`.
  let unit: String
  let model: any Layer
  let optimizer: AdamW
  let schedule: LRScheduler
  /// An epoch of this loader is a round, after which the model is judged.
  let train: DataLoader<Source>
  let test: DataLoader<Source>
  let rounds: Int
  /// The run ends after so many steps, in the middle of a round if need be.
  let steps: Int
  /// From what the data set holds to what the network reads.
  let prepare: @Sendable (Tensor) -> Tensor
  /// The greatest norm of the gradients.
  let clip: Double?
  /// What goes into the model's file, besides its tensors.
  let about: [String: String]
  /// Where a run stands, for the progress bar.
  let title: @Sendable (_ round: Int, _ step: Int) -> String
  /// What is printed when the run is over, such as a sample of what a language model writes.
  let farewell: (() throws -> String)?
  /// What the steps change; nil for all parameters of the model.
  var trained: [Parameter]?
  /// What a checkpoint keeps of the model; nil for all of it.
  var parts: [(name: String, part: CheckpointPart)]?
  /// Writes into the run's folder what the model is, as the run begins.
  var describe: (_ folder: String) throws -> Void = { _ in }
  /// Writes the model into the run's folder, when the run is over; nil for its tensors and `about` as model.safetensors.
  var save: ((_ folder: String) throws -> Void)?

  var parameters: [Parameter] { trained ?? model.parameters() }
  var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
}

/// How a run is set up: enough to make its lesson again when it is resumed.
protocol RunSettings: Codable {
  associatedtype Source: Dataset<Example>
  /// The command that makes such runs, as in `flambeau train digits`.
  var task: String { get }
  /// Makes the network, whose parameters come from the current generator and are the same on any device.
  func lesson(on device: Device) throws -> Lesson<Source>
}

/// run.json: how the run in a folder is set up.
struct RunRecord<Settings: RunSettings>: Codable {
  let task: String
  let seed: UInt64
  /// Nil for float32 throughout.
  let amp: MixedPrecision?
  /// Where the run computes; nil for the processor.
  let device: String?
  let settings: Settings

  init(seed: UInt64, amp: MixedPrecision?, device: Device, settings: Settings) {
    self.task = settings.task
    self.seed = seed
    self.amp = amp
    self.device = device == .cpu ? nil : "\(device)"
    self.settings = settings
  }
}
