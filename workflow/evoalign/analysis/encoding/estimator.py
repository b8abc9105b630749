"""The ridge as an estimator of scikit-learn. A module of its own: jobs have no need of that library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from evoalign.analysis.encoding.folds import check_folds, image_folds
from evoalign.analysis.encoding.kernels import check_features
from evoalign.analysis.encoding.ridge import ALPHAS, weights
from evoalign.errors import InputError

Floats = NDArray[np.float64]


class EncodingRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge with an alpha for each target, by cross-validation over images.

    Parameters
    ----------
    alphas : sequence of float
        Candidates.
    n_folds : int
        Folds of the cross-validation.
    seed : int
        Of the dealing of images to folds.
    device : str
        Where it is computed.

    Attributes
    ----------
    coef_ : numpy.ndarray, float64 [target, feature], or [feature] for one target
    intercept_ : numpy.ndarray, float64 [target], or float
    alpha_ : numpy.ndarray, float64 [target], or float

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((60, 4))
    >>> model = EncodingRidge().fit(x, x[:, 0])
    >>> round(model.score(x, x[:, 0]), 3)
    1.0
    """

    def __init__(
        self, alphas: Sequence[float] = ALPHAS, n_folds: int = 5, seed: int = 0, device: str = "cpu"
    ) -> None:
        self.alphas = alphas
        self.n_folds = n_folds
        self.seed = seed
        self.device = device

    def fit(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None, folds: ArrayLike | None = None
    ) -> EncodingRidge:
        """Choose alphas and fit.

        Parameters
        ----------
        X : array_like [presentation, feature]
        y : array_like [presentation] or [presentation, target]
        groups : array_like [presentation], optional
            Images: presentations of one stay in one fold.
        folds : array_like of int [presentation], optional
            Fold labels, in place of `groups`.

        Raises
        ------
        InputError
            Shapes that do not fit, NaN or infinity, or too few images.
        """
        x = check_features(torch.as_tensor(np.asarray(X, dtype=np.float64)))
        values = np.asarray(y, dtype=np.float64)
        if values.ndim not in (1, 2) or len(values) != len(x):
            raise InputError(f"responses have shape {list(values.shape)} for {len(x)} presentations")
        if not np.isfinite(values).all():
            raise InputError("responses hold NaN or infinity")
        names = np.arange(len(x)) if groups is None else np.asarray(groups)
        if folds is None:
            rng = np.random.default_rng(self.seed)
            dealt = image_folds(names, np.zeros(len(x), dtype=int), self.n_folds, rng)
        else:
            dealt = check_folds(np.asarray(folds), len(x))
        targets = torch.from_numpy(values.reshape(len(values), -1).T.copy()).to(self.device)
        grid = torch.tensor([float(a) for a in self.alphas], dtype=torch.float64, device=self.device)
        coefficients, intercept, alpha = weights(x.to(self.device), targets, dealt, grid)
        is_single = values.ndim == 1
        self.n_features_in_ = x.shape[1]
        self.coef_ = coefficients.cpu().numpy()[0] if is_single else coefficients.cpu().numpy()
        self.intercept_ = float(intercept[0]) if is_single else intercept.cpu().numpy()
        self.alpha_ = float(alpha[0]) if is_single else alpha.cpu().numpy()
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Predicted responses, float64 [presentation] or [presentation, target]."""
        check_is_fitted(self)
        x = check_features(torch.as_tensor(np.asarray(X, dtype=np.float64))).numpy()
        if x.shape[1] != self.n_features_in_:
            raise InputError(f"{x.shape[1]} predictors, but the fit had {self.n_features_in_}")
        return np.asarray(x @ self.coef_.T + self.intercept_)
