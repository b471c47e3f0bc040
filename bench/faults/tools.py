"""Rules of published tools, written anew from their descriptions, asked of the same logs: whether each raises an alarm on a run.

Only what can be asked of a loss curve, norms and epochs is here; rules that need single weights or activations are not. Thresholds are
the tools' own defaults. Standard library only.
"""
import math


def column(rows, key):
    return [float(row[key]) if row.get(key) else math.nan for row in rows]


def known(values):
    return [value for value in values if value == value]


def not_finite(run):
    return any(row["bad"] == "1" or not math.isfinite(float(row["loss"] or "nan")) for row in run["steps"])


def sagemaker(run):
    """Amazon SageMaker Debugger's built-in rules: LossNotDecreasing (10 steps, 0.1 %), ExplodingTensor, WeightUpdateRatio, Overfit,
    ClassImbalance."""
    loss = column(run["steps"], "loss")
    ratio = known(column(run["steps"], "update_ratio"))
    overfit = any(v - t > 0.1 * t for t, v in zip(run["train_loss"], run["val_loss"]))
    still = any(loss[i] > 0.999 * loss[i - 10] for i in range(10, len(loss), 10))
    extreme = any(one > 10 or one < 1e-8 for one in ratio)
    return still or not_finite(run) or extreme or overfit or max(run["classes"]) > 10 * max(1, min(run["classes"]))


def deepchecker(run):
    """TheDeepChecker: first loss within ln K of ln K, smoothness of 50 losses at least 0.5, at least 5 % down over 5 periods, not twice
    the least, updates between 1e-4 and 1e-1 of the weights."""
    loss, classes = column(run["steps"], "loss"), len(run["classes"])
    if not_finite(run) or abs(loss[0] - math.log(classes)) > math.log(classes):
        return True
    for end in range(50, len(loss), 50):
        part = loss[end - 50:end]
        steps = [b - a for a, b in zip(part, part[1:])]
        turns = sum(a * b < 0 for a, b in zip(steps, steps[1:]))
        if 1 - turns / max(1, len(steps) - 1) < 0.5:
            return True
    means = [sum(loss[i:i + 50]) / 50 for i in range(0, len(loss) - 49, 50)]
    if any(means[i] > 0.95 * means[i - 5] for i in range(5, len(means))):
        return True
    if any(mean >= 2 * min(means[:i]) for i, mean in enumerate(means) if i):
        return True
    ratio = sorted(known(column(run["steps"], "update_ratio")))
    return bool(ratio) and not 1e-4 <= ratio[len(ratio) // 2] <= 1e-1


def umlaut(run):
    """UMLAUT: rate above 0.01 or below 1e-7, not a number, validation loss up while training loss falls in one epoch, validation
    accuracy above 95 % or 5 points above training."""
    rates = column(run["steps"], "lr")
    if max(rates) > 0.01 or min(rates) < 1e-7 or not_finite(run):
        return True
    train, val = run["train_loss"], run["val_loss"]
    if any(v > w and t < u for u, t, w, v in zip(train, train[1:], val, val[1:])):
        return True
    return any(v > 0.95 or v > t + 0.05 for t, v in zip(run["train_accuracy"], run["val_accuracy"]))


def autotrainer(run):
    """AutoTrainer: below 60 % accuracy, and not a number, a loss of 1000, accuracies that swing by 3 points in a fifth of the epochs, or no
    epoch that gains a point."""
    accuracy = run["train_accuracy"]
    if not accuracy or max(accuracy + [0]) >= 0.6:
        return False
    gains = [b - a for a, b in zip(accuracy, accuracy[1:])]
    swings = sum(a > 0 > b and min(a, -b) >= 0.03 for a, b in zip(gains, gains[1:]))
    loss = column(run["steps"], "loss")
    slow = bool(gains) and max(gains) < 0.01
    return not_finite(run) or max(known(loss) + [0]) >= 1e3 or swings >= 0.2 * len(accuracy) or slow


TOOLS = {"SageMaker Debugger": sagemaker, "TheDeepChecker": deepchecker, "UMLAUT": umlaut, "AutoTrainer": autotrainer}
