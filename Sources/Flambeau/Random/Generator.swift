import Synchronization

/// A source of random numbers: MT19937 with torch's bits on the CPU.
public final class Generator: Sendable {
}
