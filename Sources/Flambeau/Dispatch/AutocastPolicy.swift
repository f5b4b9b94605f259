/// What `autocast` does to the floating-point operands of a call, float64 aside.
enum AutocastPolicy: Sendable {
  /// They become the scope's half type.
  case half
  /// They become float32.
  case float32
  /// They become the widest dtype among them.
  case widest
  /// They stay, also in the calls that this one is made of.
  case asTheyAre

  /// What `autocast` does to a row, or to a method that is an operator of torch's, by the names that messages have. Calls that are not
  /// in the table are left alone. The lists are those that torch's autocast_mode.cpp has for the CPU.
  static let named: [String: AutocastPolicy] = {
    var named: [String: AutocastPolicy] = [:]
    for (policy, names) in table {
      for name in names.split(separator: " ") { named[String(name)] = policy }
    }
    return named
  }()

  private static let table: [(policy: AutocastPolicy, names: String)] = [
    (
      .half,
      "addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linalg_vecdot linear "
        + "lstm matmul mm prelu rnn_relu rnn_tanh scaled_dot_product_attention"
    ),
    (
      .float32,
      "binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy ctc_loss hinge_embedding_loss "
        + "huber_loss kl_div l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss "
        + "smooth_l1_loss soft_margin_loss triplet_margin_loss"
    ),
    (
      .float32,
      "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d fractional_max_pool2d fractional_max_pool3d max_pool3d max_unpool1d "
        + "max_unpool2d max_unpool3d reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d"
    ),
    (.float32, "cdist grid_sampler nanquantile prod quantile trace"),
    (.widest, "cat index_copy stack"),
    // Torch has no products in these.
    (.asTheyAre, "addr bilinear"),
  ]
}
