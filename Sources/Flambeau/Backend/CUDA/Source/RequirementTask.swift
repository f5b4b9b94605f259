/// Reports a fault where a boolean number is false; nothing else is done.
struct RequirementTask: KernelTask {
  private(set) var condition: Elements
  private let fault: KernelFault

  init(_ condition: Elements, or fault: KernelFault) { (self.condition, self.fault) = (condition, fault) }

  var operands: [Elements] { [condition] }
  var results: [Elements] { [] }
  func mapOperands(_ f: (Elements) -> Elements) -> RequirementTask { RequirementTask(f(condition), or: fault) }
  var attributes: KernelFault { fault }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    var arguments = KernelArguments()
    arguments.address("condition", condition.address)
    arguments.reports(fault)
    let source = KernelSource(
      "requirement", arguments: arguments.declaration,
      body: "  if (plain<uint8_t>(a.condition, 0) == 0) report_fault(a.fault, a.report);\n")
    work.launches.append(KernelLaunch(source, grid: (1, 1), block: (1, 1), arguments))
  }
}
