import ArgumentParser

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

enum Process {
  /// The most memory this process has held, in MB.
  static var peakMegabytes: Double {
    var usage = rusage()
    #if os(Linux)
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
      getrusage(RUSAGE_SELF, &usage)
    #endif
    return megabytes(usage)
  }

  /// Runs this executable with other arguments and gives the most memory that process has held, in MB. Its output is dropped.
  static func peakMegabytes(running arguments: [String]) throws -> Double {
    #if os(Linux)
      let executable = "/proc/self/exe"
      var actions = posix_spawn_file_actions_t()
    #else
      let executable = CommandLine.arguments[0]
      var actions: posix_spawn_file_actions_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    var words = ([CommandLine.arguments[0]] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    let problem = posix_spawn(&child, executable, &actions, nil, &words, environ)
    guard problem == 0 else {
      throw ValidationError("\(executable) cannot be run: \(String(cString: strerror(problem)))")
    }
    var (status, usage) = (Int32(0), rusage())
    while wait4(child, &status, 0, &usage) < 0 && errno == EINTR {}
    guard status == 0 else { throw ValidationError("flambeau \(arguments.joined(separator: " ")) failed") }
    return megabytes(usage)
  }

  /// `ru_maxrss` counts kilobytes on Linux, bytes on macOS.
  private static func megabytes(_ usage: rusage) -> Double {
    #if os(Linux)
      Double(usage.ru_maxrss) / 1024
    #else
      Double(usage.ru_maxrss) / 1_048_576
    #endif
  }
}
